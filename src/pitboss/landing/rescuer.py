"""Keeps work of a session that does not land: under rescue refs, or in the run directory (SPEC 1.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import Reason
from pitboss.core.text import rescue_message
from pitboss.git import commits, hidden, nested, nested_work, snapshot
from pitboss.git.coarse_clock import earliest_ns
from pitboss.git.hidden import LIMIT, Hidden
from pitboss.git.ignore_rules import RULES, ExcludeFiles, Excludes, rules_in
from pitboss.git.index_backup import BACKUP
from pitboss.git.merge import holds_all
from pitboss.git.move_out import move_out
from pitboss.git.small_files import read_file
from pitboss.landing import rescue_refs
from pitboss.landing.users_refs import WHY as OF_THE_USER
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pitboss.core.session import Assignment
    from pitboss.git.errors import GitError
    from pitboss.git.index_backup import IndexBackup
    from pitboss.git.nested import Inner
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus

DROPPED = Reason.HEAD_MOVED.because("commits that are no longer on the run branch")
INSIDE = Reason.HEAD_MOVED.because("work in a repository or submodule inside")
HISTORY = "the history of a repository inside"
HIDDEN = "files that its own ignore rules hide"
REFUSED = "files whose names git refuses"
STASHED = "a stash that was dropped"
TAKEN_AWAY = Reason.HOOK_FAILED.because("a git hook took away what was to be committed")
BESIDE = (INSIDE, HISTORY, HIDDEN, STASHED, OF_THE_USER)
"""Why a session has rescue refs even though it landed."""
_KEPT_RULES = "pitboss-kept-rules"


class Effort:
    """One attempt at landing or rescuing: the session, the tree as last seen, the refs so far and their reasons.

    `again` says that an earlier attempt may have done part of the work.
    """

    def __init__(self, session: Assignment, status: TreeStatus, *, again: bool) -> None:
        self.session = session
        self.status = status
        self.again = again
        self.refs: tuple[str, ...] = ()
        self.whys: list[str] = []
        self.hidden = Hidden()
        self._others: list[str] | None = None
        self._inside: set[str] = set()

    def others(self, repo: Repo) -> list[str]:
        """What was untracked when the effort began, if that included folders."""
        if self._others is None:
            self._others = snapshot.new_paths(repo, self.status)
        return self._others

    def look_again(self, status: TreeStatus) -> None:
        """Take note of the tree as it is now."""
        self.status = status
        self._others = None

    def is_first_look(self, inner: Inner) -> bool:
        """Whether this is the first look into a repository inside."""
        seen = inner.path in self._inside
        self._inside.add(inner.path)
        return not seen

    def verdict(self) -> str | None:
        """Why a session that landed still had to keep something elsewhere; None if it did not."""
        reasons = [why for why in self.whys if why.partition(":")[0] in list(Reason)]
        return next((why for why in reasons if why != INSIDE), reasons[0] if reasons else None)


class RescuePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How work in one tree is kept. What cannot stay in the tree is moved to the run's `paths`.

    A `temporary` tree will be deleted, with everything an agent left in it. `exclude_files` knows the ignore rules
    outside any tree. If a session's own rules hide more than `ignored_limit` bytes, those files are moved, not kept
    in git.
    """

    paths: RunPaths
    exclude_files: ExcludeFiles = msgspec.field(default_factory=ExcludeFiles)
    ignored_limit: int = LIMIT
    temporary: bool = False


class Rescuer:
    """Keeps work of the sessions in one tree."""

    def __init__(self, repo: Repo, policy: RescuePolicy) -> None:
        self._repo = repo
        self._run_id = policy.paths.run_id
        self._paths = policy.paths
        self._temporary = policy.temporary
        self._exclude_files = policy.exclude_files
        self._limit = policy.ignored_limit
        self._since_ns: int | None = None
        self._excludes: Excludes | None = None
        self._leaving: list[Inner] = []
        self._hidden_places: tuple[str, ...] = ()
        self._refused = False

    def begin(self, index: IndexBackup) -> None:
        """Remember what was ignored and, by the file system's clock, when the session began."""
        self._refused = False
        self._since_ns = _made_at(index.path)
        self._excludes = self._exclude_files.now(self._repo)
        if self._excludes.says_something:
            self._repo.inside(_KEPT_RULES).write_bytes(self._exclude_files.first(self._repo))

    def end(self) -> None:
        """Forget what `begin` remembered."""
        if self._excludes is None or self._excludes.says_something:
            self._repo.inside(_KEPT_RULES).unlink(missing_ok=True)

    def rules_changed(self) -> bool:
        """Whether the ignore rules outside the tree are other than at the run's start.

        Those that a session made are in no commit and outlive it: they must not hide what later sessions do.
        """
        known = self._excludes
        return known is not None and self._exclude_files.differ_from_first(known, self._repo)

    def rules(self) -> Excludes | None:
        """The ignore rules outside the tree; None if they, or how git takes them, may have changed since `begin`."""
        known = self._excludes
        return known if known is not None and self._exclude_files.are_as_seen(known, self._repo) else None

    def effort(self, session: Assignment, status: TreeStatus, *, again: bool) -> Effort:
        """An attempt at landing or rescuing; a repeated one knows what the earlier ones kept."""
        effort = Effort(session, status, again=again)
        if again:
            effort.refs = tuple(
                r.ref for r in rescue_refs.list_rescued(self._repo, self._run_id, session.seq)
            )
            effort.whys = [rescue_refs.why_kept(self._repo, ref) or "" for ref in effort.refs]
        return effort

    def keep(self, effort: Effort, tips: Sequence[str], *, kept: str, why: str | None) -> None:
        """Create rescue refs for those `tips` that neither `kept` nor a rescue ref contains."""
        seq, first = effort.session.seq, not effort.again and not effort.refs
        known = (
            [r.oid for r in rescue_refs.list_rescued(self._repo, self._run_id, seq)] if effort.again else []
        )
        if loose := commits.outside(self._repo, tips, kept, *known):
            effort.refs = rescue_refs.keep(self._repo, self._run_id, seq, loose, why=why or "", first=first)
            effort.whys.append(why or "")

    def message(self, effort: Effort, reason: str | None) -> str:
        """The message of a rescue commit."""
        session = effort.session
        return rescue_message(prompt=session.prompt, seq=session.seq, run_id=self._run_id, reason=reason)

    # Repositories inside

    def inner(self, effort: Effort) -> list[Inner]:
        """Repositories inside that may hold work, outermost first."""
        base = effort.session.base_commit
        found = nested.linked_ones(self._repo, effort.status, base, everywhere=self._temporary)
        found += nested.new_ones(self._repo, effort.others(self._repo))
        if self._temporary and effort.again:
            found += nested.below(self._repo, ".")  # once landed, one looks like any other folder
        return nested.unique(found)

    def keep_inner(self, effort: Effort, found: Iterable[Inner], *, kept: str) -> None:
        """Create rescue refs for what repositories inside hold; in a tree that stays, files that land need none."""
        for inner in filter(effort.is_first_look, found):
            known = [r.oid for r in rescue_refs.list_rescued(self._repo, self._run_id)]
            everything = self._temporary or inner.recorded is None
            message = self.message(effort, f"work in a repository inside, {inner.shown}")
            tip = nested_work.work_in(self._repo, inner, everything=everything, message=message, known=known)
            stays = inner.kind in ("plain", "bare") and not self._temporary
            held = tip is None or nested_work.is_held(
                self._repo, tip, inner.recorded, known, again=effort.again
            )
            self.keep(effort, [] if held else [str(tip)], kept=kept, why=HISTORY if stays else INSIDE)

    def put_back_links(self, effort: Effort, target: str, paths: Iterable[str]) -> None:
        """Reset submodules and gitlinks to what the outer repository records; what they hold is kept first."""
        for path in paths:
            recorded = self._repo.line("ls-files", "--stage", "--", f":(top,literal){path}").split()
            found = nested.of_link(self._repo, path, recorded[1]) if len(recorded) > 1 else []
            self.keep_inner(effort, found, kept=target)
            for inner in found:
                if inner.recorded is not None:
                    nested.put_back(self._repo, inner, inner.recorded)

    def move_away(self, effort: Effort, found: Iterable[Inner]) -> None:
        """Move the outermost of these repositories, whole, to the run directory; their work is already kept."""
        for inner in nested.outermost(found):
            nested.move_away(self._repo, inner, self._paths.nested(effort.session.seq))

    def will_move(self, inner: Sequence[Inner], found: Hidden) -> None:
        """Note what `clear_out` will move: repositories whose work is safe, and hidden files too large for git."""
        links = [each for each in inner if each.kind == "link"]
        self._leaving = [*nested.outermost(links), *(each for each in inner if each.kind == "plain")]
        self._hidden_places = found.places if found.too_much and self._temporary else ()

    @property
    def is_clear(self) -> bool:
        """Whether `clear_out` would have nothing to do."""
        return not (self._temporary and self._leaving) and not self._hidden_places

    def clear_out(self, session: Assignment) -> None:
        """Move what must not stay in a temporary tree to the run directory, once the session no longer needs it."""
        leaving, self._leaving = self._leaving if self._temporary else [], []
        for inner in leaving:
            nested.put_away(self._repo, inner, self._paths.nested(session.seq))
        places, self._hidden_places = self._hidden_places, ()
        for path in places:
            move_out(self._repo.root, path, self._paths.set_aside(session.seq))

    # Hidden files

    def look_for_hidden(self, effort: Effort, *, resetting: bool) -> Hidden:
        """Files hidden only by the session's own new ignore rules; asks git only where there may be any."""
        base = effort.session.base_commit
        moved = effort.status.head != base
        dropped = [path for path in effort.status.dropped if os.path.lexists(self._repo.root / path)]
        if moved and (self._temporary or resetting):
            gone = (
                "diff-index",
                "--cached",
                "-z",
                "--name-only",
                "--no-renames",
                "--diff-filter=D",
                base,
                "--",
            )
            listed = filter(None, os.fsdecode(self._repo.git(*gone)).split("\0"))
            dropped += [path for path in listed if os.path.lexists(self._repo.root / path)]
        if not dropped and not self._has_new_rules(effort, moved=moved):
            return Hidden()
        effort.hidden = hidden.find(
            self._repo,
            base,
            self._old_rules(),
            since_ns=self._since(effort),
            dropped=tuple(dict.fromkeys(dropped)),
            limit=self._limit,
        )
        return effort.hidden

    def keep_hidden(self, effort: Effort, found: Hidden, *, kept: str) -> list[str]:
        """Keep hidden files in a commit, which is returned; does nothing if they are too large for that."""
        if not found or found.too_much:
            return []
        known = [r.oid for r in rescue_refs.list_rescued(self._repo, self._run_id, effort.session.seq)]
        base, message = effort.session.base_commit, self.message(effort, HIDDEN)
        made = hidden.commit_of(self._repo, found, base=base, message=message, known=known)
        tree = self._repo.line("rev-parse", f"{made}^{{tree}}")
        if not (effort.again and known and holds_all(self._repo, [base, *known], tree)):
            self.keep(effort, [made], kept=kept, why=HIDDEN)
        return [made]

    def set_aside(self, effort: Effort, places: Iterable[str]) -> None:
        """Move what is too large for git to the run directory."""
        for path in places:
            move_out(self._repo.root, path, self._paths.set_aside(effort.session.seq))

    def move_refused(self, session: Assignment, error: GitError) -> bool:
        """Move what git takes into no commit to the run directory; whether it was that which made git fail."""
        paths = snapshot.refused(self._repo) if error.refuses_path else []
        found = [path for path in paths if os.path.lexists(self._repo.root / path)]
        for path in found:
            move_out(self._repo.root, path, self._paths.set_aside(session.seq))
        self._refused = self._refused or bool(found)
        return bool(found)

    def revealed(self, effort: Effort) -> list[str]:
        """Places of files too large for git that are no longer hidden."""
        others = effort.others(self._repo) if effort.hidden.too_much else []
        return [place for place in effort.hidden.places if any(path.startswith(place) for path in others)]

    def hidden_words(self, effort: Effort) -> str | None:
        """What the session's record says about hidden files; None if there are none."""
        if HIDDEN in effort.whys:
            return f"{HIDDEN} are kept under a rescue ref"
        place = self._paths.set_aside(effort.session.seq)
        if self._hidden_places or place.is_dir():
            what = REFUSED if self._refused else HIDDEN
            return f"{what} are in {place.parent.name}/{place.name}"
        return f"{HIDDEN} stay in the tree" if effort.hidden else None

    def _has_new_rules(self, effort: Effort, *, moved: bool) -> bool:
        if effort.again or self._since_ns is None or effort.status.new_rules or self.rules_changed():
            return True
        if any(path.rpartition("/")[2] == RULES for path in effort.others(self._repo)):
            return True
        if not moved:
            return False
        size = len(effort.session.base_commit) // 2
        before, now = (rules_in(self._repo.inside(name), hash_bytes=size) for name in (BACKUP, "index"))
        return now is None or before != now

    def _old_rules(self) -> bytes:
        if self._excludes is not None:
            return self._exclude_files.first(self._repo)
        try:
            return read_file(self._repo.inside(_KEPT_RULES))[0]
        except OSError:
            return self._exclude_files.now(self._repo).text

    def _since(self, effort: Effort) -> int:
        if self._since_ns is not None:
            return self._since_ns
        known = _made_at(self._repo.inside(BACKUP))
        return known or earliest_ns(effort.session.started_at)


def _made_at(path: Path) -> int | None:
    try:
        return os.stat(path).st_ctime_ns  # noqa: PTH116 - once a session, on its fast path
    except OSError:
        return None
