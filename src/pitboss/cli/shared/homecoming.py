"""What `pitboss land` does for one run: what is wanted and missing, the commit for it, and what is said (SPEC 11)."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import msgspec

from pitboss.core.embed import one_line
from pitboss.core.measures import counted
from pitboss.core.seq_choice import SeqChoice
from pitboss.core.summary import first_line
from pitboss.errors import CommandError
from pitboss.git.repo import Repo
from pitboss.git.version import begin_to_refuse_old
from pitboss.landing.changes import changes
from pitboss.landing.signed import PersonalCommits
from pitboss.landing.taking_home import Conflict, Present, Taken, TakingHome, Way, WholeRun, already_on
from pitboss.landing.target import Mover, Target, find_target
from pitboss.screens.output import note, path_in_words, say
from pitboss.store.catalogue import readable_log
from pitboss.store.config import load_config
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths
from pitboss.store.review import left_out

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord

_SUMMARY_CHARS = 100


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for; None where it says nothing."""

    onto: str | None = None
    only: SeqChoice | None = None
    without: SeqChoice | None = None
    squash: bool = False


class _Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that are wanted, those the target has, wanted or not, and those wanted but left out in review."""

    wanted: frozenset[int]
    present: Present
    left: frozenset[int]

    @property
    def missing(self) -> frozenset[int]:
        """Those to be brought."""
        return self.wanted - self.present.seqs - self.left

    @property
    def there(self) -> frozenset[int]:
        """Those wanted that the target has."""
        return self.wanted & self.present.seqs


class Homecoming:
    """Brings the work of one run, which is not live, onto a branch."""

    def __init__(self, root: Path, state: RunState, wishes: Wishes) -> None:
        author = load_config(root).author
        self._repo = Repo.discover(root, purpose="landing a run").authored_by(author)
        self._state = state
        self._wishes = wishes
        self._left = left_out(RunPaths(root, state.run_id))
        self._mover = Mover(self._repo, state.run_id)

    def preview(self) -> None:
        """Say what `land` would do. Raises CommandError for whatever would keep it from that."""
        begin_to_refuse_old(self._repo, CommandError)()
        target = find_target(self._repo, self._state, self._wishes.onto)
        run, selection, taken = self._prepare(target)
        if taken is None:
            self._say_nothing_to_do(target, selection)
            return
        self._mover.check(target, taken.commit)
        self._say_landed(run, target, selection, taken, would="would land")

    def land(self) -> None:
        """Bring the wanted sessions onto the target. Raises CommandError: nothing has changed, unless it says so."""
        begin_to_refuse_old(self._repo, CommandError)()
        target = find_target(self._repo, self._state, self._wishes.onto)
        with self._told_if_interrupted(target):
            again = self._mover.put_right(target.name)
        if again:
            say(f"the working tree follows {target.name} again: an earlier landing had been cut short")
        run, selection, taken = self._prepare(target)
        if taken is None:
            self._say_nothing_to_do(target, selection)
            return
        self._mover.check(target, taken.commit)
        with self._told_if_interrupted(target):
            self._mover.move(target, taken.commit)
        self._say_landed(run, target, selection, taken, would="landed")

    @contextmanager
    def _told_if_interrupted(self, target: Target) -> Iterator[None]:
        """After a Ctrl-C that leaves the checkout behind its branch, say so."""
        try:
            yield
        except KeyboardInterrupt:
            if self._mover.is_half_done():
                note(f"{target.name} has moved, but the working tree had no time to follow")
                note(self._mover.brings_it_along(target.name))
            raise

    def _prepare(self, target: Target) -> tuple[WholeRun, _Selection, Taken | None]:
        """The run, what of it is to be brought, and the commit that brings it; None if nothing is missing."""
        run = self._read_run()
        selection = self._select(run, target)
        if not selection.missing:
            return run, selection, None
        made = self._make(run, target, selection)
        if isinstance(made, Conflict):
            self._refuse(run, target, made, selection)
        return run, selection, None if made.commit == target.tip else made

    def _read_run(self) -> WholeRun:
        state = self._state
        records = tuple(iter_records(readable_log(self._repo.root, state.run_id)))
        self._check_named(records)
        landed = tuple(record for record in records if record.commit is not None)
        tip = self._repo.commit_id(f"refs/heads/{state.branch}")
        if tip is None:
            last = f" {landed[-1].commit}" if landed else " COMMIT"
            raise CommandError(
                f"the run branch {state.branch} is gone",
                hint=f"`git branch {state.branch}{last}` puts it back",
            )
        since = state.base_commit
        found = () if since is None else changes(self._repo, landed, tip=tip, since=since)
        return WholeRun(run_id=state.run_id, branch=state.branch, tip=tip, landed=landed, changes=found)

    def _check_named(self, records: Sequence[SessionRecord]) -> None:
        """Refuse numbers of sessions that are not there, or have landed nothing to bring."""
        run_id, only, without = self._state.run_id, self._wishes.only, self._wishes.without
        hint = f"`pitboss log {run_id}` lists its sessions"
        every = [record.seq for record in records]
        for choice in filter(None, (only, without)):
            for each in choice.without_any(every):
                raise CommandError(f"run {run_id} has no record of session {each}", hint=hint)
        landed = [record.seq for record in records if record.commit is not None]
        for each in only.without_any(landed) if only else ():
            raise CommandError(f"session {each} of run {run_id} landed nothing", hint=hint)

    def _select(self, run: WholeRun, target: Target) -> _Selection:
        only, without = self._wishes.only, self._wishes.without or SeqChoice()
        wanted = frozenset(
            each.seq for each in run.landed if (only is None or each.seq in only) and each.seq not in without
        )
        present = already_on(self._repo, run, target.tip)
        return _Selection(wanted=wanted, present=present, left=self._left & wanted - present.seqs)

    def _make(self, run: WholeRun, target: Target, selection: _Selection) -> Taken | Conflict:
        commits, there = PersonalCommits(self._repo), selection.present.seqs
        taking = TakingHome(self._repo, commits, run, target.tip, there=there)
        everything = selection.missing | selection.present.merged
        if everything.issuperset(each.seq for each in run.landed):
            made = taking.whole(squash=self._wishes.squash)
            return self._first_of(taking, made, selection) if isinstance(made, Conflict) else made
        if apart := selection.missing - {change.seq for change in run.changes}:
            raise CommandError(
                f"session {min(apart)} cannot be told apart from others on {run.branch}",
                hint=f"land the whole run, or `git cherry-pick` what you want from {run.branch}",
            )
        return taking.chosen(selection.missing, squash=self._wishes.squash)

    def _first_of(self, taking: TakingHome, whole: Conflict, selection: _Selection) -> Conflict:
        """The conflict of a whole run, with the session that meets it first, if one can be told from the others."""
        alone = taking.chosen(selection.missing, squash=True)
        first = alone.seq if isinstance(alone, Conflict) else None
        return msgspec.structs.replace(whole, first=first)

    def _refuse(self, run: WholeRun, target: Target, conflict: Conflict, selection: _Selection) -> NoReturn:
        for path in conflict.paths:
            note(f"conflict: {one_line(path_in_words(path))}")
        by_hand = f"`git merge {run.branch}` on {target.name} lets you resolve it by hand"
        if conflict.seq is None:
            without = self._without(conflict.first, selection, ", the first to conflict; ")
            raise CommandError(
                f"run {run.run_id} conflicts with {target.name}; nothing was changed", hint=without + by_hand
            )
        if conflict.builds_on:
            others = _named(conflict.builds_on)
            raise CommandError(
                f"session {conflict.seq} builds on {others}, left out; nothing was changed",
                hint=f"land {others} too, or leave out session {conflict.seq} as well",
            )
        raise CommandError(
            f"session {conflict.seq} conflicts with {target.name}; nothing was changed",
            hint=self._without(conflict.seq, selection, "; ") + by_hand,
        )

    def _without(self, seq: int | None, selection: _Selection, then: str) -> str:
        """The same command without a session, and what it does; empty if nothing would be left to land."""
        if seq is None or not selection.missing - {seq}:
            return ""
        wishes = self._wishes
        others = "" if wishes.without is None else f"{wishes.without},"
        words = [
            *(["--onto", shlex.quote(wishes.onto)] if wishes.onto else []),
            *(["--only", str(wishes.only)] if wishes.only else []),
            *(["--squash"] if wishes.squash else []),
        ]
        command = " ".join(("pitboss land", self._state.run_id, *words, "--except", f"{others}{seq}"))
        return f"`{command}` leaves out session {seq}{then}"

    def _say_nothing_to_do(self, target: Target, selection: _Selection) -> None:
        self._say_left(selection)
        run = self._state.run_id
        if selection.there:
            verb = "is" if len(selection.there) == 1 else "are"
            say(f"nothing to land: {_named(selection.there)} of run {run} {verb} already on {target.name}")
        elif selection.missing:
            say(
                f"nothing to land: {_named(selection.missing)} of run {run} would change nothing on {target.name}"
            )
        else:
            say(f"nothing to land of run {run}")

    def _say_landed(
        self, run: WholeRun, target: Target, selection: _Selection, taken: Taken, *, would: str
    ) -> None:
        seqs = selection.missing - frozenset(taken.empty)
        for record in run.landed:
            if record.seq in seqs:
                summary = one_line(first_line(record.summary), _SUMMARY_CHARS)
                say(f"{record.seq:>4}  {one_line(record.prompt)}  {summary}".rstrip())
        self._say_left(selection)
        if taken.empty:
            say(f"{_named(taken.empty)} would change nothing on {target.name}")
        count = counted(len(seqs), "session")
        how = _WAYS[taken.way].format(commit=taken.commit[:7])
        say(f"{would} {count} of run {run.run_id} on {target.name}: {how}")

    def _say_left(self, selection: _Selection) -> None:
        if selection.left:
            say(f"left out in review: {_named(selection.left)}")


_WAYS = {
    Way.FAST_FORWARD: "fast-forward to {commit}",
    Way.MERGE: "merge commit {commit}",
    Way.PICKS: "picked one by one, up to {commit}",
    Way.SQUASH: "one commit, {commit}",
}


def _named(seqs: Collection[int]) -> str:
    """`session 3`, `sessions 3, 5 and 6`."""
    words = [str(seq) for seq in sorted(seqs)]
    if len(words) == 1:
        return f"session {words[0]}"
    return f"sessions {', '.join(words[:-1])} and {words[-1]}"
