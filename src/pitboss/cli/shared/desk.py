"""The desk of this repository: what screens ask for and may not do themselves (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.measures import counted
from pitboss.core.needs import InGit, after_applying
from pitboss.core.settling import in_words
from pitboss.core.terminal import visible
from pitboss.errors import PitbossError
from pitboss.git.loose_refs import tip_of
from pitboss.git.repo import Repo
from pitboss.git.touched_files import touched_files
from pitboss.landing import rescue_refs, rescued_work
from pitboss.landing.landed import begin_missing
from pitboss.landing.target import likely_target
from pitboss.screens.desk import MOST_LINES, MOST_OF_A_FILE, Changes, FileChange, Reply, RescuedWork
from pitboss.screens.output import path_in_words
from pitboss.store.catalogue import find_run
from pitboss.store.paths import RunPaths
from pitboss.store.review import left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord
    from pitboss.core.touched import TouchedFile


class RepositoryDesk:
    """Answers from the git repository whose working tree is at `root`."""

    def __init__(self, root: Path, repo: Repo | None = None) -> None:
        """`repo` is that repository, if the caller has found it already."""
        self._root = root
        self._found = repo

    def changes(self, record: SessionRecord, landed_before: str | None) -> Changes:
        """See `Desk.changes`."""
        tips = (record.commit,) if record.commit else record.rescue
        try:
            base = landed_before or self._base_commit(record.run_id)
            files = tuple(file for tip in tips for file in self._diff(base or f"{tip}^", tip))
        except PitbossError as error:
            return Changes(note=_failed(error))
        if record.commit and record.rescue:
            return Changes(
                files=files, note=f"more work was rescued: {', '.join(map(one_line, record.rescue))}"
            )
        return Changes(files=files, note="" if tips else f"session {record.seq} left no work behind")

    def rescued_changes(self, ref: str) -> Changes:
        """See `Desk.rescued_changes`."""
        try:
            found = rescued_work.find(self._repo, ref)
            return Changes(files=tuple(self._diff("HEAD", found.oid)))
        except PitbossError as error:
            return Changes(note=_failed(error))

    def rescued(self, run_id: str) -> tuple[RescuedWork, ...]:
        """See `Desk.rescued`."""
        try:
            repo = self._repo
            found = rescue_refs.list_rescued(repo, run_id)
            why = rescued_work.reasons(repo, found)
        except PitbossError:
            return ()
        return tuple(
            RescuedWork(
                ref=each.ref,
                name=each.short_name,
                seq=each.seq,
                made_at=each.made_at,
                why=in_words(why[each.ref] or ""),
            )
            for each in found
        )

    def apply_rescue(self, ref: str) -> Reply:
        """See `Desk.apply_rescue`."""
        try:
            rescued = rescued_work.find(self._repo, ref)
            done = rescued_work.apply(self._repo, rescued)
        except PitbossError as error:
            return Reply(done=False, text=one_line(error.message), hint=one_line(error.hint or ""))
        if done.conflicts:
            paths = ", ".join(map(one_line, done.conflicts))
            text = f"{rescued.short_name} conflicts with this working tree in {paths}; nothing was changed"
            return Reply(done=False, text=text, hint=f"`git merge {rescued.ref}` lets you resolve it by hand")
        files = counted(len(done.changed), "file")
        text = f"applied {rescued.short_name}: {files} changed, nothing committed"
        return Reply(done=True, text=text, hint=after_applying(rescued.short_name))

    def queue_task(self, text: str) -> Reply:
        """See `Desk.queue_task`."""
        from pitboss.cli.shared.queueing import queue_task

        try:
            queued = queue_task(self._root, f"{text}\n", given={})
        except PitbossError as error:
            return Reply(done=False, text=one_line(error.message), hint=one_line(error.hint or ""))
        odd = "".join(f"; warning: {one_line(warning)}" for warning in queued.warnings)
        return Reply(done=True, text=f"queued {queued.id}: {queued.taken_by}{odd}")

    def in_git(self, state: RunState) -> InGit:
        """See `Desk.in_git`."""
        return self.begin_in_git(state)()

    def begin_in_git(self, state: RunState) -> Callable[[], InGit]:
        """See `Desk.begin_in_git`."""
        try:
            asked = self._begin_in_git(state)
        except PitbossError:
            return InGit

        def answered() -> InGit:
            try:
                return asked()
            except PitbossError:
                return InGit()

        return answered

    def _begin_in_git(self, state: RunState) -> Callable[[], InGit]:
        repo, run_id = self._repo, state.run_id
        ours = tip_of(repo, f"refs/heads/{state.branch}")
        onto = ours and likely_target(repo, state)
        theirs = onto and tip_of(repo, f"refs/heads/{onto}")
        listed, missing = rescue_refs.begin_to_list(repo, run_id), _nothing
        if ours and theirs and ours != theirs:
            missing = begin_missing(repo, run_id, theirs, ours, lambda: self._left_out(run_id))

        def in_git() -> InGit:
            try:
                found = listed()
            finally:
                not_landed = _counted(missing)
            kept, applied = {each.ref: each.seq for each in found}, rescued_work.applied_refs(repo, found)
            return InGit(rescued=kept, applied=applied, onto=onto, not_landed=not_landed)

        return in_git

    def _left_out(self, run_id: str) -> frozenset[int]:
        """The sessions of a run that were left out in review; marks that cannot be read leave nothing out."""
        try:
            return left_out(RunPaths(self._root, run_id))
        except PitbossError:
            return frozenset()

    def touched(self, records: Sequence[SessionRecord]) -> dict[int, tuple[TouchedFile, ...]]:
        """See `Desk.touched`."""
        commits = {record.seq: record.commit for record in records if record.commit is not None}
        if not commits:
            return {}
        try:
            found = touched_files(self._repo, commits.values(), self._base_commit(records[0].run_id))
        except PitbossError:
            return {}
        return {seq: found[commit] for seq, commit in commits.items() if commit in found}

    def readable(self, agent: str | None, raw: bytes) -> tuple[str, ...]:
        """See `Desk.readable`."""
        from pitboss.agents.readable import readable

        return readable(agent, raw)

    @property
    def _repo(self) -> Repo:
        if self._found is None:
            self._found = Repo.discover(self._root, purpose="looking at a run's work")
        return self._found

    def _base_commit(self, run_id: str) -> str | None:
        state = find_run(self._root, run_id).state
        return state.base_commit if state else None

    def _diff(self, onto: str, tip: str) -> Iterator[FileChange]:
        from pitboss.git.file_diffs import file_diffs
        from pitboss.git.merge import span

        since = span(self._repo, onto, tip)
        for diff in file_diffs(self._repo, since, most_lines=MOST_LINES, most_of_a_file=MOST_OF_A_FILE):
            text = visible((diff.patch or b"").decode(errors="backslashreplace")).removesuffix("\n")
            yield FileChange(
                path=visible(path_in_words(diff.paths[-1])),
                added=diff.added,
                removed=diff.removed,
                lines=tuple(text.split("\n")) if text else (),
                left_out=diff.patch is None,
            )


def _nothing() -> int:
    return 0


def _counted(missing: Callable[[], int]) -> int:
    """What cannot be counted, in a damaged repository, hides nothing of what else is known."""
    try:
        return missing()
    except PitbossError:
        return 0


def _failed(error: PitbossError) -> str:
    return f"there is no diff to show: {one_line(error.message)}"
