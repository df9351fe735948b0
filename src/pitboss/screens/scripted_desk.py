"""A desk that plays a script: screens can be tried, and tested, without a repository (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.measures import counted
from pitboss.core.needs import InGit, after_applying
from pitboss.core.terminal import visible
from pitboss.core.touched import TouchedFile
from pitboss.screens.desk import Changes, Reply, RescuedWork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord


class DeskScript(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk knows: the changes of sessions and the files they touched, by seq; those of rescued work, by ref.

    `conflicts` are the refs that do not fit the working tree.
    """

    changes: dict[int, Changes] = {}
    touched: dict[int, tuple[TouchedFile, ...]] = {}
    rescued: tuple[RescuedWork, ...] = ()
    rescued_changes: dict[str, Changes] = {}
    conflicts: dict[str, tuple[str, ...]] = {}
    onto: str | None = None
    not_landed: int = 0


class ScriptedDesk:
    """Answers from its script, and remembers what was `applied` and `queued`."""

    def __init__(self, script: DeskScript) -> None:
        self._script = script
        self.applied: list[str] = []
        self.queued: list[str] = []

    def changes(self, record: SessionRecord, landed_before: str | None) -> Changes:
        """See `Desk.changes`."""
        del landed_before
        nothing = Changes(note=f"session {record.seq} left no work behind")
        return self._script.changes.get(record.seq, nothing)

    def rescued_changes(self, ref: str) -> Changes:
        """See `Desk.rescued_changes`."""
        work = self._find(ref)
        missing = Changes(note=f"there is no diff to show: no rescue ref {ref}")
        return missing if work is None else self._script.rescued_changes.get(work.ref, Changes())

    def rescued(self, run_id: str) -> tuple[RescuedWork, ...]:
        """See `Desk.rescued`."""
        return tuple(work for work in self._script.rescued if work.name.startswith(f"{run_id}/"))

    def apply_rescue(self, ref: str) -> Reply:
        """See `Desk.apply_rescue`."""
        work = self._find(ref)
        if work is None:
            return Reply(done=False, text=f"no rescue ref {ref}", hint="`pitboss rescue ls` lists them")
        if paths := self._script.conflicts.get(work.ref):
            text = f"{work.name} conflicts with this working tree in {', '.join(paths)}; nothing was changed"
            return Reply(done=False, text=text, hint=f"`git merge {work.ref}` lets you resolve it by hand")
        self.applied.append(work.ref)
        count = len(self._script.rescued_changes.get(work.ref, Changes()).files)
        files = counted(count, "file")
        text = f"applied {work.name}: {files} changed, nothing committed"
        return Reply(done=True, text=text, hint=after_applying(work.name))

    def queue_task(self, text: str) -> Reply:
        """See `Desk.queue_task`."""
        if not text.strip():
            return Reply(done=False, text="TEXT: the task is empty")
        self.queued.append(text)
        return Reply(done=True, text=f"queued task-{len(self.queued)}: the next run takes it")

    def in_git(self, state: RunState) -> InGit:
        """See `Desk.in_git`."""
        kept = {work.ref: work.seq for work in self.rescued(state.run_id)}
        applied = frozenset(self.applied) & frozenset(kept)
        onto, missing = self._script.onto, self._script.not_landed
        return InGit(rescued=kept, applied=applied, onto=onto, not_landed=missing)

    def begin_in_git(self, state: RunState) -> Callable[[], InGit]:
        """See `Desk.begin_in_git`."""
        return lambda: self.in_git(state)

    def touched(self, records: Sequence[SessionRecord]) -> dict[int, tuple[TouchedFile, ...]]:
        """See `Desk.touched`."""
        landed = {record.seq for record in records if record.commit}
        return {seq: files for seq, files in self._script.touched.items() if seq in landed}

    def readable(self, agent: str | None, raw: bytes) -> tuple[str, ...]:
        """Every line as it is, made harmless: it knows no agent's language."""
        del agent
        text = visible(raw.decode(errors="backslashreplace"))
        return tuple(text.removesuffix("\n").split("\n")) if text else ()

    def _find(self, ref: str) -> RescuedWork | None:
        return next((work for work in self._script.rescued if ref in (work.ref, work.name)), None)
