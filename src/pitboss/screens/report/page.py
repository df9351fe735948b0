"""The report as one file of HTML: no script, nothing from elsewhere (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.measures import counted, duration, spent, tokens
from pitboss.core.report.sessions import Result
from pitboss.core.rescue_name import rescue_name
from pitboss.core.settling import in_words
from pitboss.screens.output import local
from pitboss.screens.report.charts import by_duration, cost_by_prompt, cost_over_time, outcomes_by_prompt
from pitboss.screens.report.fills import patterns
from pitboss.screens.report.links import Links, cost_of
from pitboss.screens.report.markup import Markup, el, joined
from pitboss.screens.report.night import timeline
from pitboss.screens.report.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.needs import Need
    from pitboss.core.report.morning import MorningReport, ReportedRun
    from pitboss.core.report.sessions import LandedSession, ReportedSession
    from pitboss.core.report.sums import Share

SHOWN = 20
"""So many entries of a list are in sight; the others are folded away."""

_SUMMARY = 160
_WHOLE_SUMMARY = 400


def html_page(report: MorningReport) -> str:
    """The whole page."""
    links = Links(report)
    title = f"pitboss report: {_about(report)}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Markup(STYLE)),
    )
    body = el("body", patterns(), el("main", *_sections(report, links)))
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _sections(report: MorningReport, links: Links) -> list[Markup]:
    return [
        _top(report),
        _needs(report, links),
        _landed(report, links),
        _rescued(report, links),
        _money(report, links),
        _section("Timeline", timeline(report, links)),
        _prompts(report, links),
        _appendix(report, links),
    ]


def _about(report: MorningReport) -> str:
    if report.is_joined:
        return f"{len(report.runs)} runs"
    return next((f"run {run.run_id}" for run in report.runs), "no run")


def _top(report: MorningReport) -> Markup:
    verdict = el("p", report.verdict.text, class_=f"verdict {report.verdict.tone}")
    runs = el("ul", *(el("li", *_run(run)) for run in report.runs)) if report.is_joined else Markup("")
    branch = next((run.branch for run in report.runs if run.branch), "")
    where = [] if report.is_joined or not branch else [f"The work is on branch {branch}. "]
    made = el("p", *where, f"Made at {local(report.made_at)}. Times are local.", class_="note")
    return el("header", el("h1", "Report on ", _about(report)), verdict, runs, made)


def _run(run: ReportedRun) -> list[str]:
    landed = sum(each.result is Result.LANDED for each in run.sessions)
    return [el("strong", run.run_id), f": {run.ended}; {landed} of {len(run.sessions)} sessions landed"]


def _section(title: str, *parts: str) -> Markup:
    return el("section", el("h2", title), *parts)


def _folded(items: Sequence[Markup], what: str, wrap: str = "ol") -> Markup:
    """A list whose end is folded away."""
    first = el(wrap, *items[:SHOWN])
    if len(items) <= SHOWN:
        return first
    rest = items[SHOWN:]
    start = SHOWN + 1 if wrap == "ol" else None
    more = el("summary", f"{len(rest)} more {what}")
    return joined([first, el("details", more, el(wrap, *rest, start=start))])


def _needs(report: MorningReport, links: Links) -> Markup:
    items = [_need(run, need, links) for run in report.runs for need in run.needs]
    return _section("Needs you", _folded(items, "things") if items else el("p", "Nothing."))


def _need(run: ReportedRun, need: Need, links: Links) -> Markup:
    known = need.seq is not None and any(each.seq == need.seq for each in run.sessions)
    what: str = need.what
    if known and need.seq is not None:
        what = el("a", need.what, href=f"#{links.anchor_of(run.run_id, need.seq)}")
    why = f": {need.why}" if need.why else ""
    return el("li", what, why, el("pre", el("code", need.command)))


def _landed(report: MorningReport, links: Links) -> Markup:
    if not report.landed:
        return _section("Landed", el("p", "Nothing."))
    items = [_landed_session(each, links) for each in report.landed]
    note = el("p", "Riskiest first. The reasons are facts of the change; no model was asked.", class_="note")
    return _section(f"Landed ({len(items)})", note, _folded(items, "landed sessions"))


def _landed_session(landed: LandedSession, links: Links) -> Markup:
    session, risk, record = landed.session, landed.risk, landed.session.record
    said = one_line(record.summary or "", _SUMMARY)
    reasons = el("ul", *(el("li", text) for text in risk.texts), class_="reasons")
    show = f"pitboss show {session.run_id} {session.seq} --diff"
    return el(
        "li",
        el("span", f"{risk.level} risk", class_=f"risk {risk.level}"),
        " ",
        links.link(session),
        " ",
        el("strong", one_line(record.prompt)),
        " ",
        diff_words(risk.diff),
        el("p", said) if said else "",
        reasons,
        el("code", show),
    )


def diff_words(diff: DiffStat | None) -> str:
    """`+12 -3 in 2 files`."""
    if diff is None:
        return ""
    return f"+{diff.added} -{diff.removed} in {counted(diff.files, 'file')}"


def _rescued(report: MorningReport, links: Links) -> Markup:
    if not report.rescued:
        return _section("Rescued", el("p", "Nothing had to be rescued."))
    items = [_rescued_session(each, links) for each in report.rescued]
    return _section(f"Rescued ({len(items)})", _folded(items, "rescued sessions"))


def _rescued_session(session: ReportedSession, links: Links) -> Markup:
    commands = [el("p", el("code", command)) for command in rescue_commands(session)]
    name = el("strong", one_line(session.record.prompt))
    return el("li", links.link(session), " ", name, f": {why_rescued(session)}", *commands)


def why_rescued(session: ReportedSession) -> str:
    """Why its work did not land, and what became of it since."""
    record = session.record
    why = one_line(in_words(record.reason), 200) if record.reason else str(record.status)
    if session.settled_by is not None:
        return f"{why}; session {session.settled_by} landed in its place"
    return why if session.kept else f"{why}; its rescue ref is gone"


def rescue_commands(session: ReportedSession) -> list[str]:
    """What shows and what applies its kept work."""
    from shlex import quote

    names = [rescue_name(ref) for ref in session.kept]
    return [f"pitboss rescue {verb} {quote(name)}" for name in names for verb in ("show", "apply")]


def _money(report: MorningReport, links: Links) -> Markup:
    everything = report.everything
    used = everything.used
    whole = f"{spent(used.cost_usd, known=everything.cost_known)} for {tokens(used.tokens)} tokens"
    parts = [el("p", f"In all: {whole}."), _unpriced(report, links)]
    if everything.sessions:
        parts += [
            _table("By what came of it", [each for each in report.results if each.sessions], links),
            _table("By agent", report.agents, links),
            cost_over_time(report, links),
            cost_by_prompt(report, links),
        ]
    return _section("Money", *parts)


def _unpriced(report: MorningReport, links: Links) -> Markup:
    unknown = report.everything.unpriced
    if not unknown:
        return Markup("")
    many = counted(len(unknown), "session")
    said = f"The cost of {many} is not known, so the sums are lower bounds: "
    return el("p", said, links.links(unknown))


def _table(title: str, shares: Sequence[Share], links: Links) -> Markup:
    head = el("tr", *(el("th", name, scope="col", class_=look) for name, look in _COLUMNS))
    rows = [
        el(
            "tr",
            el("th", one_line(each.name), scope="row"),
            el("td", links.counted(each.sessions), class_="n"),
            el("td", links.counted(each.of(Result.LANDED).sessions), class_="n"),
            el("td", spent(each.used.cost_usd, known=each.cost_known), class_="n"),
            el("td", tokens(each.used.tokens), class_="n"),
            el("td", duration(each.median_s), class_="n"),
        )
        for each in shares
    ]
    table = el("table", el("thead", head), el("tbody", *rows))
    return joined(
        [el("h3", title), el("div", table, class_="scroll", tabindex=0, role="region", aria_label=title)]
    )


_COLUMNS = (
    ("", None),
    ("sessions", "n"),
    ("landed", "n"),
    ("cost", "n"),
    ("tokens", "n"),
    ("median time", "n"),
)


def _prompts(report: MorningReport, links: Links) -> Markup:
    if not report.everything.sessions:
        return _section("Prompts", el("p", f"{report.no_session.capitalize()}."))
    return _section(
        "Prompts",
        outcomes_by_prompt(report, links),
        _table("By prompt", report.prompts, links),
        *(el("p", one_line(words), class_="note") for words in report.left_out),
        by_duration(report, links),
    )


def _appendix(report: MorningReport, links: Links) -> Markup:
    items = [_session(each, links) for run in report.runs for each in run.sessions]
    return _section("All sessions", _folded(items, "sessions", "div") if items else el("p", "None."))


def _session(session: ReportedSession, links: Links) -> Markup:
    record = session.record
    why = f": {one_line(in_words(record.reason), 200)}" if record.reason else ""
    who = " ".join(one_line(name) for name in (record.agent, record.model) if name)
    facts = [
        f"{session.result} ({record.status}{why})",
        f"{local(record.started_at)}, took {duration(session.took_s)}",
        who,
        f"on {one_line(record.host)}" if record.host else "",
        f"{tokens(record.tokens.input + record.tokens.output)} tokens",
        cost_of(session),
        f"{record.attempts} attempts" if record.attempts > 1 else "",
        f"waited {duration(record.waited_s)}" if record.waited_s else "",
        f"second try of session {record.retry_of}" if record.retry_of is not None else "",
        f"commit {one_line(record.commit)[:12]}" if record.commit else "",
    ]
    said = one_line(record.summary or "", _WHOLE_SUMMARY)
    name = links.name(session.run_id, session.seq)
    return el(
        "article",
        el("p", el("strong", f"Session {name}"), f" {one_line(record.prompt)}"),
        el("p", joined(filter(None, facts), " · "), class_="facts"),
        el("p", said) if said else "",
        id=links.anchor(session),
    )
