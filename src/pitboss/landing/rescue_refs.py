"""Work that did not land, kept under named refs: written, listed, shown and applied again (SPEC 1.2, 2, 8)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import CommandError
from pitboss.git.errors import GitError
from pitboss.git.merge import changed_paths, merge_trees
from pitboss.git.repo import NO_HOOKS
from pitboss.landing.refs import RESCUE_REFS, rescue_ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.repo import Repo

_FIELDS = ("refname", "objectname", "committerdate:unix", "contents:subject")
_FORMAT = "--format=" + "%00".join(f"%({field})" for field in _FIELDS)
# Told in full: users may have set any of it otherwise.
_LOG = (
    *("log", "--no-color", "--no-decorate", "--no-show-signature", "--no-notes", "--no-abbrev-commit"),
    *("--no-mailmap", "--pretty=medium", "--date=default", "--encoding=UTF-8"),
)
# The plumbing hears few settings; it takes all but the top folder for granted only when told so.
_DIFF = (
    "-c",
    "core.quotePath=false",
    "diff-tree",
    "-r",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--stat",
    "--patch",
)
_WHY = "pitboss rescue"
WORDS_LIMIT = 1000
"""Characters of a reason beside a ref: an argument of a program may have 128 KiB on Linux."""


class Rescued(msgspec.Struct, frozen=True, kw_only=True):
    """One rescue ref: where it points, the first line of that commit, and when it was made."""

    ref: str
    oid: str
    subject: str
    made_at: datetime

    @property
    def short_name(self) -> str:
        """The ref as users type it: RUN_ID/session-NNNN."""
        return self.ref.removeprefix(f"{RESCUE_REFS}/")


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What bringing a ref into the tree changed, by path; with `conflicts` nothing was changed at all."""

    changed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def list_rescued(repo: Repo, run_id: str | None = None, seq: int | None = None) -> tuple[Rescued, ...]:
    """Rescue refs of one session, of one run, or all, in order of name."""
    patterns = [RESCUE_REFS if run_id is None else f"{RESCUE_REFS}/{run_id}"]
    if run_id is not None and seq is not None:
        whole = rescue_ref(run_id, seq, 1)
        patterns = [whole, f"{whole}-*"]
    # Subjects are agents' words: of what Python takes for the end of a line, they may hold all but this one.
    lines = os.fsdecode(repo.git("for-each-ref", _FORMAT, *patterns)).split("\n")
    return tuple(_parse(line) for line in lines if line)


def keep(
    repo: Repo, run_id: str, seq: int, tips: Iterable[str], *, why: str, first: bool = False
) -> tuple[str, ...]:
    """Name commits by rescue refs of a session, after the refs it has; `why` is kept beside each ref.

    Returns the session's refs, old and new. A commit that has a ref already gets no second one. `first` says
    that the session has none, so that git need not look at what other sessions have.
    """
    existing = () if first else list_rescued(repo, run_id, seq)
    known = {rescued.oid for rescued in existing}
    names = [rescued.ref for rescued in existing]
    for tip in dict.fromkeys(tips):
        if tip not in known:
            free = (rescue_ref(run_id, seq, nth) for nth in count(1))
            names.append(next(ref for ref in free if ref not in names and _create(repo, ref, tip, why)))
    return tuple(names)


def _create(repo: Repo, ref: str, tip: str, why: str) -> bool:
    """Make a ref; False when there is one of that name, or what was in its place is kept there now."""
    made = (*NO_HOOKS, "update-ref", "--create-reflog", "-m", f"{_WHY}: {why[:WORDS_LIMIT]}", ref, tip, "")
    try:
        repo.git(*made)
    except GitError as error:
        if "reference already exists" in error.stderr:
            return False
        blocking = error.ref_in_the_way
        if blocking is None:
            raise
        return not blocking.startswith(f"{ref}/") and _create_instead(repo, ref, tip, why, blocking=blocking)
    return True


def _create_instead(repo: Repo, ref: str, tip: str, why: str, *, blocking: str) -> bool:
    """Make a ref where an agent's is, of the name of a folder of ours; what only that one held goes first."""
    held = repo.commit_id(blocking)
    repo.git(*NO_HOOKS, "update-ref", "--no-deref", "-d", blocking)
    if held is None or repo.is_ancestor(held, tip):
        return _create(repo, ref, tip, why)
    _create(repo, ref, held, f"{blocking} was in the way")
    return False


def why_kept(repo: Repo, ref: str) -> str | None:
    """What `keep` was told when it made the ref."""
    said = _last_logged(repo, ref)
    if said is None:
        said = os.fsdecode(
            repo.git("log", "-g", "-1", "--no-show-signature", "--format=%gs", ref, "--")
        ).strip()
    return said.removeprefix(_WHY).removeprefix(":").strip() or None if said.startswith(_WHY) else None


def _last_logged(repo: Repo, ref: str) -> str | None:
    """What the file of a ref's log says last: one read instead of a git; None where there is no such file."""
    try:
        logged = (repo.common_dir / "logs" / ref).read_bytes()
    except OSError:
        return None
    return os.fsdecode(logged.rstrip(b"\n").rpartition(b"\n")[2].partition(b"\t")[2]).strip()


def find(repo: Repo, name: str) -> Rescued:
    """The rescue ref that a user means: the whole name, RUN_ID/session-NNNN, or a unique beginning of that.

    Raises CommandError.
    """
    everything = list_rescued(repo)
    exact = [r for r in everything if name in (r.ref, r.short_name)]
    matching = exact or [r for r in everything if r.short_name.startswith(name) or r.ref.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise CommandError(f"no rescue ref {name}", hint="`pitboss rescue ls` lists them")
    raise CommandError(
        f"{name} may be any of {', '.join(r.short_name for r in matching)}", hint="give the whole name"
    )


def show(repo: Repo, rescued: Rescued, *, onto: str = "HEAD") -> bytes:
    """The work under a ref, for people to read: its commits, then their changes since they left `onto`."""
    base = _fork_point(repo, onto, rescued.oid)
    log = repo.git(*_LOG, f"{base}..{rescued.oid}", "--")
    diff = repo.git(*_DIFF, base, rescued.oid, "--")
    return log + b"\n" + diff


def apply(repo: Repo, rescued: Rescued) -> Applied:
    """Bring a ref's changes into the current, clean tree, uncommitted, by three-way merge (SPEC 8).

    All or nothing: on conflict the conflicting paths are returned and the tree is as it was.
    Raises CommandError when the tree is not clean.
    """
    status = repo.status()
    if status.dirty or status.unborn:
        raise CommandError(
            "the working tree is not clean", hint="commit or stash your changes, then apply again"
        )
    merged = merge_trees(repo, "HEAD", rescued.oid)
    if merged.conflicts:
        return Applied(conflicts=merged.conflicts)
    tree = merged.tree
    changed = changed_paths(repo, "HEAD", tree)
    _refuse_overwriting(repo, rescued, tree)
    done = repo.run("read-tree", "-m", "-u", "HEAD", tree, ok=(0, 128))
    if done.code != 0:
        raise CommandError(
            f"cannot apply {rescued.short_name}: {done.stderr.decode(errors='replace').strip()}"
        )
    repo.git("read-tree", "-m", "HEAD")
    return Applied(changed=tuple(sorted(changed)))


def _refuse_overwriting(repo: Repo, rescued: Rescued, tree: str) -> None:
    """Git itself would overwrite ignored files."""
    for path in changed_paths(repo, "HEAD", tree, only="A"):
        if os.path.lexists(repo.root / path):
            raise CommandError(
                f"cannot apply {rescued.short_name}: {path} would be overwritten", hint="move it away first"
            )


def _parse(line: str) -> Rescued:
    ref, oid, made, subject = line.split("\0", 3)
    return Rescued(ref=ref, oid=oid, subject=subject, made_at=_moment(int(made or 0)))


def _moment(seconds: int) -> datetime:
    """The time of a commit; an agent may have given one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)


def _fork_point(repo: Repo, onto: str, tip: str) -> str:
    common = repo.git("merge-base", onto, tip, ok=(0, 1)).decode().strip()
    return common or repo.line("hash-object", "-t", "tree", "/dev/null")
