"""Reads aider's text and its log: what it used, and whether it got an answer at all (SPEC 6).

What the program prints, and what follows from it:
- It exits 0 on every failure. A failure is a line that begins with `litellm.SomethingError:` or words of its own; what
  counts is whether an answer (a line `Tokens: ...`) came after it.
- It reports retries, each with the whole error again.
- Progress bars and colors may precede its own markers on a line.
- The `Tokens:` line rounds; its log (`--analytics-log`) does not. If the log has as many answers, the log counts.
- It names no tools and no session. Its last words are the last paragraph before `Tokens:`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.aider.log import AiderLog
from pitboss.agents.judgement import AgentExit, AgentVerdict, Spend, failed
from pitboss.agents.output.lines import LineSplitter, plain, shortened
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import Reader
from pitboss.agents.services.failures import service_failure
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import Reason
from pitboss.core.usage import Usage, add_usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.agent import AgentRequest

FAILED = lazy_pattern(r"litellm\.(?:\w+\.)*(\w*(?:Error|Timeout)): ?(.*)")
KEYLESS = "No LLM model was specified and no API keys were provided."
FULL = lazy_pattern(r"Model \S+ has hit a token limit!")
MODEL = lazy_pattern(r"(?:Main model|Model): (\S+) with ")
BANNER = ("Git repo:", "Repo-map:")
ANSWERED = "Tokens: "
COUNT = r"([\d.,]{1,20}[kM]?)"
SENT = lazy_pattern(rf"Tokens: {COUNT} sent")
RECEIVED = lazy_pattern(rf"{COUNT} received\.")
CACHE_READ = lazy_pattern(rf"{COUNT} cache hit")
CACHE_WRITE = lazy_pattern(rf"{COUNT} cache write")
GLUED = lazy_pattern(
    rf"litellm\.(?:\w+\.)*\w*(?:Error|Timeout): |Tokens: {COUNT} sent, .{{0,99}}received\."
    rf"|{FULL.pattern}|{re.escape(KEYLESS)}"
)
"""What aider may say even in the middle of a line."""

COST = lazy_pattern(r"Cost: \$([\d.]{1,20}) message")
UNITS = {"k": 1_000, "M": 1_000_000}

WORDS_LIMIT = 4096


class AiderReader(Reader):
    """Reads one aider from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._lines = LineSplitter()
        self._log = AiderLog(request.usage_file)
        self._total = Usage()
        self._cost_usd = 0.0
        self._answers = 0
        self._priced = 0
        self._asked = False
        self._failure: str | None = None
        self._in_failure = False
        self._paragraph = ""
        self._new_paragraph = False
        self._report = ""

    def feed(self, chunk: bytes) -> Iterator[AgentEvent]:
        """Yield what the lines completed by `chunk` say, and the last of its plain words."""
        # The splitter skips empty lines, which mean something here.
        yield from self._events(self._lines.feed(chunk.replace(b"\n", b" \n")))

    def finish(self) -> Iterator[AgentEvent]:
        """Yield what a last line without newline says."""
        yield from self._events(self._lines.finish())

    def spend(self) -> Spend:
        """From the log if it has every answer, else from the rounded counts in the text."""
        logged = self._log.read()
        if logged.answers and logged.answers >= self._answers:
            used, cost = logged.used, logged.cost_usd
            used = msgspec.structs.replace(
                used, cache_read=self._total.cache_read, cache_write=self._total.cache_write
            )
        else:
            used, cost = self._total, self._cost_usd if self._priced == self._answers else None
        if not used.has_tokens:
            return Spend(unreadable=self._asked and self._failure is None)
        whole = max(used.input, used.cache_read + used.cache_write)
        used = msgspec.structs.replace(used, input=whole)
        return Spend(tokens={self.model: used}, reported_usd=cost)

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by a failure with no answer after it, then the exit code, then whether there was an answer."""
        if self._failure is not None:
            return failed(*_named(self._failure))
        if ended.code != 0:
            complaints = ended.complaints or self._paragraph.encode("utf-8", "replace")
            return by_exit_code(AgentExit(code=ended.code, complaints=complaints), "aider")
        if not self._answers:
            return failed(Reason.AGENT_ERROR, "aider ended without an answer")
        return AgentVerdict()

    def _events(self, lines: Iterator[bytes]) -> Iterator[AgentEvent]:
        shown = None
        for each in lines:
            for line in self._unglued(plain(each.decode("utf-8", "replace")).rstrip()):
                event = self._line(line)
                if event is None:
                    continue
                if event.kind is EventKind.TEXT:
                    shown = event
                else:
                    yield event
        if shown is not None:
            yield shown

    def _unglued(self, line: str) -> Iterator[str]:
        """`line`, cut in two where aider's own words follow others; an error may quote such words."""
        mark = None if self._in_failure else GLUED.search(line)
        if mark is None or mark.start() == 0:
            yield line
        else:
            yield line[: mark.start()].rstrip()
            yield line[mark.start() :]

    def _line(self, line: str) -> AgentEvent | None:
        """Take in one line: one of aider's own markers, or words."""
        report, self._report = self._report, ""
        if line.startswith(ANSWERED) and SENT.match(line):
            return self._answered(line)
        if report:
            self._price(f"{report} {line}")
        if line == KEYLESS or FAILED.match(line) or FULL.match(line):
            self._fail(line)
            return None
        if self._in_failure:
            return self._more_of_failure(line)
        if not self._asked and (named := MODEL.match(line)) is not None:
            self._asked = True
            self.model = named[1]
            return self.started()
        return self._words(line)

    def _words(self, line: str) -> AgentEvent | None:
        if not line:
            self._new_paragraph = True
            return None
        if self._new_paragraph or line.startswith(BANNER):
            self._paragraph, self._new_paragraph = "", False
        if line.startswith(BANNER):
            return None
        self._paragraph = f"{self._paragraph}\n{line}".strip()[-WORDS_LIMIT:]
        self.streamed(line)
        return AgentEvent(kind=EventKind.TEXT, text=shortened(line))

    def _fail(self, line: str) -> None:
        self._failure = line
        self._in_failure = True

    def _more_of_failure(self, line: str) -> AgentEvent | None:
        """The rest of an error, which aider breaks into lines, up to an empty line or the next try."""
        if line.startswith("Retrying in "):
            self._in_failure = False
            return self.retried(line)
        self._in_failure = bool(line)
        self._failure = f"{self._failure or ''} {line}".strip()[:WORDS_LIMIT]
        return None

    def _answered(self, line: str) -> AgentEvent:
        self._answers += 1
        self._failure, self._in_failure = None, False
        self.text = self._paragraph or self.text
        self._paragraph = ""
        self._total += Usage(
            input=_count(SENT, line),
            output=_count(RECEIVED, line),
            cache_read=_count(CACHE_READ, line),
            cache_write=_count(CACHE_WRITE, line),
        )
        if not self._price(line):
            self._report = line
        return self.used()

    def _price(self, report: str) -> bool:
        """Add the cost from a token report, on its line or, if broken, the next; returns whether there was one."""
        cost = COST.search(report)
        if cost is None:
            return False
        self._priced += 1
        self._cost_usd = add_usd(self._cost_usd, _number(cost[1]))
        return True


def _count(pattern: re.Pattern[str], line: str) -> int:
    found = pattern.search(line)
    if found is None:
        return 0
    digits = found[1]
    unit = UNITS.get(digits[-1], 1)
    return round(_number(digits.rstrip("kM").replace(",", "")) * unit)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _named(words: str) -> tuple[Reason, str]:
    """The failure's reason, from its words if its name leaves it open, and the service's words."""
    failed = FAILED.match(words)
    name, said = (None, words) if failed is None else (failed[1], failed[2].removeprefix(f"{failed[1]}: "))
    reason = service_failure(codes=(name,), words=f"{name}: {said}" if name else said, cli="aider")
    return reason, said
