"""What `grind --json` prints on stdout while it runs: JSON lines for programs (SPEC 8, 9)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pitboss.core.events import RunEnded, RunEvent, SessionEnded
from pitboss.core.terminal import visible_json
from pitboss.screens.output import note
from pitboss.screens.patient import LAST_WORDS_S, Patient
from pitboss.screens.plain import warning
from pitboss.store.follow import LogFollower
from pitboss.store.record_codec import encode_record

if TYPE_CHECKING:
    from pitboss.store.paths import RunPaths


class JsonProgress:
    """One JSON line for each finished session, as sessions.jsonl holds it, then one for the run (SPEC 9).

    A waiting line is only a position in the log, so a slow reader costs no memory. At the end a reader gets 10 s as
    long as it keeps reading; one that takes nothing for 2 s is abandoned.
    """

    patience_s = 10.0

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._log = LogFollower(paths.log, from_start=False)
        self._stdout = Patient(sys.stdout.fileno())
        self._due = self._taken = 0
        self._refusal = ""

    def waits_as(self, event: RunEvent) -> int | RunEnded | None:
        """The number of a session, whose line is in the log, or the end of the run; None for anything else."""
        if isinstance(event, SessionEnded):
            self._due += 1
            return event.seq
        return event if isinstance(event, RunEnded) else None

    def hurry(self) -> None:
        """The run is over."""
        self._stdout.hurry(LAST_WORDS_S)

    def __call__(self, waiting: int | RunEnded) -> None:
        """Print what the log has gained since, or the line of the run, if there is still a reader."""
        if isinstance(waiting, RunEnded):
            self._print(_run_line(waiting))
            if self._stdout.gave_up or self._refusal:
                self._tell()
            return
        for record in self._log.new_records():
            if not self._print(encode_record(record)):
                break
            self._taken += 1

    def _print(self, line: bytes) -> bool:
        """Whether stdout took the line, and has taken all so far; raises BrokenPipeError if nobody reads any more."""
        if self._refusal:
            return False
        try:
            return self._stdout.write(visible_json(line))
        except BrokenPipeError:
            raise
        except OSError as error:
            self._refusal = f" ({error.strerror})"
            return False

    def _tell(self) -> None:
        left = self._due - self._taken
        lines = f"{left + 1} lines were" if left else "the line of the run was"
        note(
            warning(
                f"{lines} not taken on stdout{self._refusal}: "
                f"`pitboss log {self._paths.run_id} --json` has those of sessions"
            )
        )


def _run_line(event: RunEnded) -> bytes:
    import msgspec

    line = {
        "run_id": event.run_id,
        "branch": event.branch,
        "status": event.status,
        "stop_reason": event.stop_reason,
        "message": event.message,
        "exit_code": event.exit_code,
        "sessions": event.used.iterations,
        "tokens": {"input": event.used.tokens_input, "output": event.used.tokens_output},
        "cost_usd": event.used.cost_usd,
        "cost_known": event.cost_known,
    }
    return msgspec.json.encode(line) + b"\n"
