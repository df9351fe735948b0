"""Reads what opencode logs about requests that failed: while it asks for them again, it prints nothing (SPEC 6).

    timestamp=2026-11-27T22:34:59.393Z level=ERROR run=ccd78e59 message="stream error" providerID=acme modelID=fast
    session.id=ses_1 ... error.error="AI_APICallError: Monthly usage limit reached. Resets in 3 days."

When the service names the end of a limit, there is one such line, and then silence until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.output.json_values import epoch
from pitboss.agents.output.lines import LineSplitter, plain
from pitboss.agents.output.session_file import GrowingFile
from pitboss.agents.services.failures import LONG_WAIT_S, UNMENDED, service_failure, wait_s
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.session import Reason

ARGUMENTS = ("--print-logs", "--log-level", "ERROR")
"""So that the log of this start alone is on stderr."""

LINE_LIMIT = 16 * 1024
"""Bytes of a line; the search in a longer one would take too long."""

STREAM_ERROR = b'message="stream error"'

FAILED = lazy_pattern(
    r'timestamp=(?P<at>\S+) level=ERROR .*?message="stream error" .*?session\.id=(?P<session>\S+) '
    r'.*?error\.error="(?:AI_\w+: )?(?P<words>(?:[^"\\]|\\.)+)"'
)


class FailedRequests:
    """The failed requests of one session in the log at `path`; `words` are the latest one's, until it is answered."""

    def __init__(self, path: Path) -> None:
        self._file = GrowingFile(path, skip=True)
        self._lines = LineSplitter(LINE_LIMIT)
        self._failed_at = self._answered_at = 0.0
        self.words = ""

    def read(self, session_id: str | None) -> None:
        """Take in what is new; of any session while its name is not known."""
        for chunk in self._file.news():
            for line in self._lines.feed(chunk):
                if STREAM_ERROR in line:
                    self._take(plain(line.decode("utf-8", "replace")), session_id)

    def answered(self, at: float) -> None:
        """Note that the service answered, in epoch seconds: what failed before has been asked again."""
        self._answered_at = at
        if self._failed_at <= at:
            self.words = ""

    def hopeless(self) -> tuple[Reason, str] | None:
        """Why asking again is hopeless, in the service's words, if these tell for how long; None for all others."""
        if not self.words or (wait_s(self.words) or 0.0) <= LONG_WAIT_S:
            return None
        reason = service_failure(words=self.words, cli="opencode")
        return (reason, self.words) if reason in UNMENDED else None

    def _take(self, line: str, session_id: str | None) -> None:
        found = FAILED.match(line)
        if found is None or session_id not in (None, found["session"]):
            return
        at = epoch(found["at"]) or 0.0
        if at > self._answered_at:
            self._failed_at, self.words = at, found["words"].replace('\\"', '"').replace("\\n", " ")
