"""Serves a worker's runners: begins each attempt once, attends to it, keeps what is left (SPEC 14)."""

from __future__ import annotations

import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from threading import Condition, Lock, Thread, current_thread
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.leases import Answer, Stage, answer
from pitboss.core.stops import StopLevel
from pitboss.errors import FREE_SPACE, PitbossError, StorageError
from pitboss.git.errors import Kind, NotARepository, kind
from pitboss.git.packs import Parcel, pack
from pitboss.landing.git_trouble import GitFailed
from pitboss.store.codec import UNREADABLE
from pitboss.store.files import write_atomic
from pitboss.workers import messages as say
from pitboss.workers.attending import Attending, end_session
from pitboss.workers.begun import BegunAttempt, BegunAttempts
from pitboss.workers.clones import Clones
from pitboss.workers.tidying import tidy_worker
from pitboss.workers.wire import Closed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pitboss.workers.run_here import RunHere
    from pitboss.workers.wire import Wire

FIRST_WORD_S = 30.0
LEAVING_S = 20.0
"""Seconds that all sessions together may take to keep and hand over their work when this worker leaves."""
SLOT_S = 20.0
"""Seconds that a session may take to leave its slot to the next."""

TRIES = 2
"""How often in a row a process of this worker tries to keep work that git refuses to keep."""

TIDY_S = 3600.0
"""Seconds between two looks for removable files on the disk, while no session is here."""


class WorkerDesk:
    """What a worker has on its disk, in `folder`, and the sessions it attends to; any thread may call any method.

    Sandboxed sessions see nothing of the `private` folders but their own clone.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], private: Sequence[str] = ()) -> None:
        self._environ = environ
        self._clones = Clones(folder / "repositories", private, self._holds)
        (folder / "begun").mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._begun = BegunAttempts(folder / "begun")
        self._lock = Lock()
        self._left_slot = Condition(self._lock)
        self._fetched = Condition(self._lock)
        self._settling = Lock()
        self._attending: dict[str, tuple[say.Begin, Thread]] = {}
        self._left: dict[str, BegunAttempt] = {}
        self._leaving = StopLevel.NONE
        self._awaited: set[str] = set()
        """The files of attempts whose runners were there when this worker ended them: these fetch what is left."""
        self._gone_by = float("inf")
        self._tidy_at = 0.0
        self._failures: Counter[str] = Counter()
        """By the file of an attempt, how often git refused to keep what it did."""
        self._complaints: set[str] = set()
        """What it has said already of what it cannot keep: it tries again every few seconds."""
        self.leaves = False
        """Whether runs should send it no more sessions; it still takes one that is on its way."""
        self.unkept = False
        """Whether it could not keep what a session left; it begins no other before it can."""
        self.finished = 0
        """How many sessions have been released since this process began."""

    @property
    def seqs(self) -> dict[str, list[int]]:
        """The sessions it attends to, by run."""
        with self._lock:
            begins = [begin for begin, _ in self._attending.values()]
        runs: dict[str, list[int]] = {}
        for begin in begins:
            runs.setdefault(begin.run_id, []).append(begin.assignment.seq)
        return {run_id: sorted(seqs) for run_id, seqs in runs.items()}

    @property
    def patience_s(self) -> float | None:
        """For how long this worker may be silent before a session counts it as lost; None if it has no session."""
        with self._lock:
            return min((begin.lost_after_s for begin, _ in self._attending.values()), default=None)

    def settle(self) -> None:
        """Keep what killed sessions left here, and tidy, before anything else begins."""
        for attempt in self._illegible():
            _complain(
                f"what session {attempt.seq} of {attempt.run_id} did stays here: another version of pitboss noted it,"
                " and a worker of that version delivers it"
            )
        self._settle_all()
        self._tidy()

    def rest(self) -> None:
        """End git processes of quiet runs; tidy now and then, while no session is here."""
        self._clones.rest()
        if time.monotonic() >= self._tidy_at:
            with self._clones.unused() as unused:
                if unused:
                    self._tidy()

    def _tidy(self) -> None:
        self._tidy_at = time.monotonic() + TIDY_S
        try:
            tidy_worker(self._folder)
        except (PitbossError, OSError) as error:
            _complain(f"what earlier runs left is still there: {error}")

    def _settle_all(self) -> None:
        unkept: set[str] = set()
        for attempt, begin in self._waiting():
            try:
                if attempt.stage is Stage.PARTIAL:
                    self._hold(attempt, begin)
                else:
                    self._settle(attempt, begin)
            except (GitFailed, PitbossError, OSError) as error:
                unkept.add(begin.repository)
                self._failures[attempt.file] += not may_pass(error)
                self._complain_once(
                    f"what session {attempt.seq} of {attempt.run_id} did cannot be kept yet: {error}"
                )
        self.unkept = any(not self._gave_up(each) for each in unkept)
        if not self.unkept:
            self._complaints.clear()

    def _waiting(self, repository: str | None = None) -> list[tuple[BegunAttempt, say.Begin]]:
        """The attempts, of a repository or all, of which something is here and to which nobody attends."""
        asked = [(attempt, _asked(attempt)) for attempt in self._begun.unfinished()]
        return [
            (attempt, begin)
            for attempt, begin in asked
            if begin is not None and repository in (None, begin.repository) and not self._is_attended(attempt)
        ]

    def _illegible(self) -> list[BegunAttempt]:
        """The attempts of which something may be here, and nobody can say what: they were noted in other words."""
        return [attempt for attempt in self._begun.unfinished() if _asked(attempt) is None]

    def _gave_up(self, repository: str) -> bool:
        """Put a clone aside, for the user, if git keeps failing there and nothing else can be fetched from it."""
        waiting = self._waiting(repository)
        if any(self._failures[attempt.file] < TRIES for attempt, _ in waiting):
            return False
        aside = self._clones.aside(repository)
        try:
            for attempt, begin in waiting:
                # The note comes first: it says what a killed worker has yet to do.
                noted = replace(attempt, left=(), aside=attempt.aside or str(aside))
                self._begun.update(noted)
                self._hold(noted, begin)
        except (PitbossError, OSError) as error:
            self._complain_once(f"the clone {repository} cannot be put aside: {error}")
            return False
        return True

    def _hold(self, attempt: BegunAttempt, begin: say.Begin) -> None:
        """Have ready for its run what is left of an attempt. Raises StorageError, OSError."""
        if attempt.aside is not None and not self._clones.give_up(begin.repository, Path(attempt.aside)):
            raise StorageError(f"the clone {begin.repository} is still in use")
        with self._lock:
            self._left[attempt.file] = attempt

    def _complain_once(self, text: str) -> None:
        if text not in self._complaints:
            self._complaints.add(text)
            _complain(text)

    def settle_again(self) -> None:
        """Try once more to keep what could not be kept, perhaps for lack of space."""
        with self._settling:
            if self.unkept:
                self._settle_all()

    def _is_attended(self, attempt: BegunAttempt) -> bool:
        with self._lock:
            return attempt.file in self._attending

    def _settle(self, attempt: BegunAttempt, begin: say.Begin) -> None:
        end_session(begin.run_id, begin.assignment.seq)
        with self._clones.run(begin) as run:
            run.place(begin.assignment).rescue()
            tips = run.rescued(attempt.seq)
            run.place(begin.assignment).release()
            self._leave(attempt, tips, run)

    @property
    def remains(self) -> dict[str, list[tuple[int, int]]]:
        """What it holds of sessions that were lost, by run: session and attempt."""
        with self._lock:
            held = list(self._left.values())
        runs: dict[str, list[tuple[int, int]]] = {}
        for attempt in held:
            runs.setdefault(attempt.run_id, []).append((attempt.seq, attempt.attempt))
        return runs

    def leave(self, level: StopLevel) -> None:
        """End all sessions, on ABORT at once, keep what they did, and let runners that are there fetch it.

        Returns when that is done, or `LEAVING_S` after the first call.
        """
        self.leaves = True
        self._leaving = max(level, StopLevel.DRAIN)
        self._gone_by = min(self._gone_by, time.monotonic() + LEAVING_S)
        with self._lock:
            threads = [thread for _, thread in self._attending.values()]
        join_by(self._gone_by, threads)
        with self._lock:
            self._fetched.wait_for(
                lambda: self._awaited.isdisjoint(self._left), max(0.0, self._gone_by - time.monotonic())
            )

    def attend(self, wire: Wire[say.FromRunner]) -> None:
        """Attend to whoever has just connected, in a thread of its own."""
        Thread(target=self._attend, args=(wire,), daemon=True).start()

    def _attend(self, wire: Wire[say.FromRunner]) -> None:
        try:
            asked = wire.take(FIRST_WORD_S)
            match asked:
                case (say.Begin() as begin, notes):
                    self._begin(begin, notes.data, wire)
                case (say.Recover() as recover, _):
                    self._recover(recover, wire)
                case _:
                    pass
        except Closed:
            pass
        except (GitFailed, PitbossError, OSError) as error:
            _complain(f"what the session did is kept later: {error}")
            wire.put(say.Failed(kind="storage", text=str(error)))
        except Exception as error:
            traceback.print_exc()
            wire.put(say.Failed(kind="start", text=f"{type(error).__name__}: {error}"))
        finally:
            wire.close()

    # A session

    def _begin(self, begin: say.Begin, notes: bytes, wire: Wire[say.FromRunner]) -> None:
        seq = begin.assignment.seq
        attempt = BegunAttempt(run_id=begin.run_id, seq=seq, attempt=begin.attempt, asked=say.encoded(begin))
        self.settle_again()
        with self._left_slot:
            # A session tells its runner that it has left its slot before it is done.
            if not self._left_slot.wait_for(lambda: self._is_free(begin), SLOT_S) or self.unkept:
                refused: str | None = "this worker cannot keep what an earlier session left"
            else:
                refused = "this worker is leaving" if self._leaving else None
            if refused is None and answer(self._noted(attempt)) is not Answer.BEGIN:
                refused = "this attempt has begun before"
            if refused is None:
                self._attending[attempt.file] = (begin, current_thread())
        if refused is not None:
            wire.put(say.Failed(kind="refused", text=refused))
            return
        try:
            with self._clones.run(begin) as run:
                self._serve(attempt, begin, notes, run, wire)
        except (GitFailed, PitbossError, OSError):
            with self._settling:
                self.unkept = True
            raise
        finally:
            with self._left_slot:
                del self._attending[attempt.file]
                self._left_slot.notify_all()

    def _is_free(self, begin: say.Begin) -> bool:
        """Whether nobody attends to another session in the same slot of the same run."""
        slot = (begin.run_id, begin.assignment.worktree)
        return all((other.run_id, other.assignment.worktree) != slot for other, _ in self._attending.values())

    def _noted(self, attempt: BegunAttempt) -> Stage | None:
        """Note that an attempt begins, and say how far it had come before; None if it had not begun."""
        if self._begun.begin(attempt):
            return None
        before = self._begun.find(attempt.run_id, attempt.seq, attempt.attempt)
        return Stage.BEGUN if before is None else before.stage

    def _serve(
        self,
        attempt: BegunAttempt,
        begin: say.Begin,
        notes: bytes,
        run: RunHere,
        wire: Wire[say.FromRunner],
    ) -> None:
        seq = begin.assignment.seq
        write_atomic(run.paths.notes(seq), notes, durable=False, make=True)
        attending = Attending(begin, run, wire, self._environ, lambda: self._leaving)
        wire.put(say.Begun(has=run.has(begin.assignment.base_commit)))
        try:
            attending.serve()
        except Closed:
            pass
        except Exception:
            traceback.print_exc()  # a bug, which must not cost the session its work
        if attending.is_released:
            self._begun.update(_over(attempt, attending.delivered))
            self.finished += 1
        elif attending.found_damage:
            self._begun.update(_over(attempt))
        else:
            tips = attending.keep_remains()
            if self._leaving and not wire.is_closed:
                self._awaited.add(attempt.file)
            self._leave(attempt, tips, run)

    def _holds(self, repository: str) -> bool:
        """Whether work of a session that nobody attends to waits in a clone, or may do so."""
        return bool(self._waiting(repository) or self._illegible())

    def _leave(self, attempt: BegunAttempt, tips: tuple[str, ...], run: RunHere) -> None:
        left = replace(attempt, left=tips) if tips else _over(attempt)
        self._begun.update(left)
        if tips:
            with self._lock:
                self._left[attempt.file] = left
            if run.depot is not None:  # this machine might never be back
                run.depot.leave(attempt.seq, attempt.attempt, None, tips)

    # What a session left

    def _recover(self, asked: say.Recover, wire: Wire[say.FromRunner]) -> None:
        found = self._begun.find(asked.run_id, asked.seq, asked.attempt)
        if found is None or found.stage is Stage.OVER:
            wire.put(say.Leftovers())
            return
        begin = _asked(found)
        if found.left is None or begin is None:
            wire.put(say.Leftovers(is_over=False))
            return
        packed = Parcel()
        if found.left:
            with self._clones.run(begin) as run:
                packed = pack(run.repo, found.left, [begin.assignment.base_commit])
        wire.put(say.Leftovers(tips=found.left, aside=found.aside), packed)
        while (said := wire.take(FIRST_WORD_S)) is None:
            pass  # the runner unpacks them; if it is gone, the wait ends
        if isinstance(said[0], say.Delivered):
            self._begun.update(_over(found, found.left))
            with self._lock:
                self._left.pop(found.file, None)
                self._fetched.notify_all()


def _asked(attempt: BegunAttempt) -> say.Begin | None:
    """What the worker was asked for; None if another version of pitboss noted it, whose messages are others."""
    try:
        asked = say.from_runner(attempt.asked)
    except UNREADABLE:
        return None
    return asked if isinstance(asked, say.Begin) else None


def may_pass(error: Exception) -> bool:
    """Whether work that could not be kept for that reason can be once there is room, or nobody holds a lock."""
    cause = error.__cause__ if isinstance(error, GitFailed) else error
    if not isinstance(cause, Exception) or isinstance(cause, NotARepository):
        return False
    no_room = isinstance(cause, PitbossError) and cause.hint == FREE_SPACE
    return no_room or kind(cause) in (Kind.FULL_DISK, Kind.RACE)


def join_by(deadline: float, threads: Sequence[Thread]) -> None:
    """Wait until all threads have ended, at most until a time of the monotonic clock."""
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _over(attempt: BegunAttempt, delivered: Sequence[str] = ()) -> BegunAttempt:
    """Keep only the fact that it began, and which of its commits are at home."""
    return replace(attempt, asked=b"", left=tuple(delivered), is_over=True)
