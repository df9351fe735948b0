"""The timeline of a report: a lane for each slot over the night (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import Phase
from pitboss.core.report.sessions import Result
from pitboss.core.tone import Tone
from pitboss.screens.night_chart import WIDTH, drawn, night_scale
from pitboss.screens.report.charts import figure, share, svg_of, text
from pitboss.screens.report.fills import CLASSES, IN_FLIGHT, legend
from pitboss.screens.report.markup import Markup, el, joined

if TYPE_CHECKING:
    from pitboss.core.report.morning import MorningReport, ReportedRun
    from pitboss.screens.night_chart import DrawnLane, DrawnSpan, Scale
    from pitboss.screens.report.links import Links

_LANE = 46
_BAR = 20
_TICKS = 4
_ROOM_FOR_NUMBER = 60.0
"""A bar at least this wide, of WIDTH, has its number on it."""

_OF_TONE = {
    Tone.OK: CLASSES[Result.LANDED],
    Tone.WARN: CLASSES[Result.STOPPED],
    Tone.BAD: CLASSES[Result.FAILED],
    Tone.ACTIVE: IN_FLIGHT,
    Tone.QUIET: CLASSES[Result.NOTHING],
}
_MARKS = {Phase.WAIT: "wait", Phase.VERIFY: "verify", Phase.FIX: "verify", Phase.LAND: "land"}


def timeline(report: MorningReport, links: Links) -> Markup:
    """When each session worked, in which slot, and what came of it."""
    scale = night_scale([lane for run in report.runs for lane in run.lanes], report.made_at)
    if scale is None:
        return el("p", f"{report.no_session.capitalize()}.")
    shapes, y = list[Markup](), 0
    for run in report.runs:
        results = {each.seq: CLASSES[each.result] for each in run.sessions}
        for lane in run.lanes:
            name = f"{run.run_id}, {lane.name}" if report.is_joined else lane.name
            shapes += _lane(run, drawn(lane, scale), links, results, name, y)
            y += _LANE
    shapes += _axis(scale, y)
    flying = any(run.in_flight for run in report.runs)
    thin = el("p", "The strip below a bar: ", *_strips(), class_="legend")
    label = "timeline, a lane for each slot"
    return figure(
        "Timeline", "A lane for each slot.", svg_of(label, y + 24, *shapes), legend(flying=flying), thin
    )


def _strips() -> list[Markup]:
    words = {"wait": "waiting", "verify": "running the tests or fixing", "land": "landing"}
    return [
        el(
            "span",
            el(
                "svg",
                el("rect", width=20, height=5, y=4, class_=f"strip {name}"),
                width=20,
                height=12,
                aria_hidden="true",
            ),
            f" {said} ",
            class_="key",
        )
        for name, said in words.items()
    ]


def _lane(
    run: ReportedRun, lane: DrawnLane, links: Links, results: dict[int, str], name: str, y: int
) -> list[Markup]:
    shapes = [text(0, y + 13, name, "strong")]
    shapes += [_bar(run, bar, links, results, y + 18) for bar in lane.bars]
    shapes += [
        el(
            "rect",
            x=share(mark.x / WIDTH * 100),
            width=share(mark.width / WIDTH * 100),
            y=y + 18 + _BAR,
            height=5,
            class_=f"strip {_MARKS[mark.phase]}",
        )
        for mark in lane.marks
    ]
    return shapes


def _bar(run: ReportedRun, bar: DrawnSpan, links: Links, results: dict[int, str], y: int) -> Markup:
    look = results.get(bar.seq or 0) or _OF_TONE[bar.tone]
    x, width = share(bar.x / WIDTH * 100), share(bar.width / WIDTH * 100)
    shapes = [el("rect", x=x, width=width, y=y, height=_BAR, class_=f"fill {look}")]
    if bar.seq is not None and bar.width >= _ROOM_FOR_NUMBER:
        middle = (bar.x + bar.width / 2) / WIDTH * 100
        number = links.name(run.run_id, bar.seq)
        shapes.append(text(middle, y + 15, number, "on-bar", "middle"))
    title = el("title", bar.label)
    if bar.seq is None or bar.seq not in results:
        return el("g", title, *shapes)
    return el("a", *shapes, href=f"#{links.anchor_of(run.run_id, bar.seq)}", aria_label=bar.label)


def _axis(scale: Scale, y: int) -> list[Markup]:
    """Times below the lanes, the first and the last with their day."""
    span = scale.ended - scale.began
    long_night = span.days > 0
    found = [el("line", x1="0%", x2="100%", y1=y + 4, y2=y + 4, class_="axis")]
    for tick in range(_TICKS + 1):
        at = (scale.began + span * tick / _TICKS).astimezone()
        words = at.strftime("%b %d %H:%M" if long_night or tick in (0, _TICKS) else "%H:%M")
        anchor = {0: "start", _TICKS: "end"}.get(tick, "middle")
        class_ = "" if tick in (0, _TICKS) else "wide-only"
        found.append(text(tick / _TICKS * 100, y + 20, words, class_, anchor))
    return [joined(found)]
