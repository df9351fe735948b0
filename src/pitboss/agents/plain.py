"""Reads agents that print plain text and report success by exit code (SPEC 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.agents.judgement import AgentExit, AgentVerdict, Spend, failed
from pitboss.agents.output.lines import last_line
from pitboss.agents.reader import Reader
from pitboss.agents.services.failures import service_failure
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import Reason, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

MISUSED = lazy_pattern(
    r"(unknown|unexpected|unrecogni[sz]ed|invalid|missing) (option|argument|flag|value)",
    re.IGNORECASE,
)
"""How programs complain about a command line they do not understand; they may quote anything."""


class PlainReader(Reader):
    """Shows the last line of each chunk; exit 0 is ok, any other code an error with the last line printed.

    There is no telling what such output is worth, so all of it counts as progress.
    """

    def feed(self, chunk: bytes) -> Iterator[AgentEvent]:
        """Yield the last line of `chunk`: one event per chunk, so that floods of short lines stay cheap."""
        self.progress += 1
        line = last_line(chunk[-4096:])
        if line is not None:
            yield AgentEvent(kind=EventKind.TEXT, text=line)

    def spend(self) -> Spend:
        """Plain text reports no usage."""
        return Spend()

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the exit code."""
        return by_exit_code(ended)


def by_exit_code(ended: AgentExit, cli: str | None = None) -> AgentVerdict:
    """Ok for exit 0, else an error that names the code or signal and the last line of the complaints.

    If `cli` has a vocabulary, that line may say more than the code, unless it complains about the command line.
    """
    if ended.code == 0:
        return AgentVerdict()
    last = last_line(ended.complaints)
    if cli is not None and last is not None and not MISUSED.search(last):
        reason = service_failure(words=last, cli=cli)
        if reason is not Reason.AGENT_ERROR:
            return failed(reason, last)
    code = "no exit code" if ended.code is None else f"{ended.code}"
    detail = code if last is None else f"{code}: {last}"
    return AgentVerdict(status=SessionStatus.ERROR, reason=Reason.EXIT_CODE.because(detail))
