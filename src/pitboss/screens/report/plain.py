"""The report as markdown, and as text for a terminal (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.measures import counted, duration, spent, tokens
from pitboss.core.patterns import lazy_pattern
from pitboss.core.report.sessions import Result
from pitboss.core.summary import first_line
from pitboss.screens.report.links import cost_of
from pitboss.screens.report.page import diff_words, rescue_commands, why_rescued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pitboss.core.report.morning import MorningReport
    from pitboss.core.report.sessions import ReportedSession
    from pitboss.core.report.sums import Share
    from pitboss.core.timeline import Span

_SPECIAL = lazy_pattern(r"([\\`*_\[\]<>#|~&])")
_SUMMARY = 160
_MOST_SPANS = 40
"""So many sessions of a lane are named."""


def escaped(text: str) -> str:
    """Text on one line that markdown shows as it is; nobody is mentioned by it."""
    return _SPECIAL.sub(r"\\\1", one_line(text)).replace("@", "@\u200b")


def markdown(report: MorningReport) -> str:
    """The report as markdown."""
    return "\n".join(_Writer(escaped, "## {}", "- ", "  `{}`").lines(report)) + "\n"


def plain_text(report: MorningReport, called: Callable[[str], str] = str) -> str:
    """The report as text for a terminal; `called` writes a command as it is to be typed."""
    return "\n".join(_Writer(one_line, "{}", "  ", "      {}", called).lines(report)) + "\n"


class _Writer:
    """Writes the sections in their order; only how they look differs."""

    def __init__(
        self,
        safe: Callable[[str], str],
        heading: str,
        item: str,
        command: str,
        called: Callable[[str], str] = str,
    ) -> None:
        self._safe = safe
        self._heading = heading
        self._item = item
        self._command = command
        self._called = called

    def lines(self, report: MorningReport) -> Iterator[str]:
        """The whole report."""
        one = "".join(run.run_id for run in report.runs) or "no run"
        about = f"{len(report.runs)} runs" if report.is_joined else one
        yield self._heading.replace("## ", "# ").format(f"Report on {self._safe(about)}")
        yield from ("", self._safe(report.verdict.text))
        if report.is_joined:
            yield ""
            for run in report.runs:
                yield self._item + self._safe(f"{run.run_id}: {run.ended}")
        yield from self._section("Needs you", self._needs(report))
        yield from self._section("Landed, riskiest first", self._landed(report))
        yield from self._section("Rescued", self._rescued(report))
        yield from self._section("Money", self._money(report))
        yield from self._section("Timeline", self._timeline(report))
        yield from self._section("Prompts", self._prompts(report))
        yield from self._section("All sessions", self._sessions(report))

    def _section(self, title: str, found: Iterator[str]) -> Iterator[str]:
        yield from ("", self._heading.format(title), "")
        some = False
        for line in found:
            some = True
            yield line
        if not some:
            yield f"{self._item}nothing"

    def _commands(self, commands: Sequence[str]) -> Iterator[str]:
        for command in commands:
            if self._command.strip().startswith("`"):
                yield ""
            yield self._command.format(self._called(command))

    def _needs(self, report: MorningReport) -> Iterator[str]:
        for need in report.needs:
            why = f": {need.why}" if need.why else ""
            yield self._item + self._safe(f"{need.what}{why}")
            yield from self._commands([need.command])

    def _landed(self, report: MorningReport) -> Iterator[str]:
        for each in report.landed:
            record, risk = each.session.record, each.risk
            size = diff_words(risk.diff)
            what = f"{_name(each.session, report)} {record.prompt}: {risk.level} risk{size and ', '}{size}"
            yield self._item + self._safe(what)
            yield "    " + self._safe(f"why: {'; '.join(risk.texts)}")
            if record.summary:
                yield "    " + self._safe(one_line(first_line(record.summary), _SUMMARY))

    def _rescued(self, report: MorningReport) -> Iterator[str]:
        for each in report.rescued:
            yield self._item + self._safe(f"{_name(each, report)} {each.record.prompt}: {why_rescued(each)}")
            yield from self._commands(rescue_commands(each))

    def _money(self, report: MorningReport) -> Iterator[str]:
        everything = report.everything
        cost = spent(everything.used.cost_usd, known=everything.cost_known)
        yield self._item + self._safe(f"in all: {cost}, {tokens(everything.used.tokens)} tokens")
        if everything.unpriced:
            names = ", ".join(_name(each, report) for each in everything.unpriced)
            yield self._item + self._safe(f"cost unknown of session {names}: the sums are lower bounds")
        yield from self._shares([each for each in report.results if each.sessions])
        yield from self._shares(report.agents)

    def _timeline(self, report: MorningReport) -> Iterator[str]:
        for run in report.runs:
            for lane in run.lanes:
                where = f"{run.run_id}, {lane.name}" if report.is_joined else lane.name
                spans = [f"#{span.seq} {_times(span)}" for span in lane.spans[:_MOST_SPANS]]
                left = len(lane.spans) - _MOST_SPANS
                more = [f"{left} more"] if left > 0 else []
                yield self._item + self._safe(f"{where}: {', '.join(spans + more)}")

    def _prompts(self, report: MorningReport) -> Iterator[str]:
        yield from self._shares(report.prompts)
        for words in report.left_out:
            yield self._item + self._safe(words)

    def _shares(self, shares: Sequence[Share]) -> Iterator[str]:
        for each in shares:
            landed = len(each.of(Result.LANDED).sessions)
            cost = spent(each.used.cost_usd, known=each.cost_known)
            count = counted(len(each.sessions), "session")
            words = f"{count}, {landed} landed, {cost}, median {duration(each.median_s)}"
            yield self._item + self._safe(f"{each.name}: {words}")

    def _sessions(self, report: MorningReport) -> Iterator[str]:
        for each in report.everything.sessions:
            took = duration(each.took_s)
            words = f"{_name(each, report)} {each.record.prompt}: {each.result}, {took}, {cost_of(each)}"
            yield self._item + self._safe(words)


def _times(span: Span) -> str:
    began = span.began.astimezone().strftime("%H:%M")
    return f"{began} to {'now' if span.ended is None else span.ended.astimezone().strftime('%H:%M')}"


def _name(session: ReportedSession, report: MorningReport) -> str:
    return f"{session.run_id}/{session.seq}" if report.is_joined else f"#{session.seq}"
