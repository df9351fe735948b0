"""Charts as inline SVG: places are shares of the width, so that text keeps its size on a phone and on paper.

Wherever a chart shows a session, that is a link to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.measures import duration, money, spent
from pitboss.core.report.sessions import Result
from pitboss.screens.report.fills import CLASSES, legend
from pitboss.screens.report.links import cost_of, titled
from pitboss.screens.report.markup import Markup, el, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.report.morning import MorningReport
    from pitboss.core.report.sessions import ReportedSession
    from pitboss.core.report.sums import Share
    from pitboss.screens.report.links import Links

    _Row = tuple[str, list[tuple[ReportedSession, float]]]
    """What stands above a bar, and the sessions in it with their shares of the width."""

BAR = 18
"""The height of a bar, in pixels."""

_MOST_ROWS = 30
_FULL = 100.0
_ORDER = {result: place for place, result in enumerate(Result)}
_BINS = (60, 120, 300, 600, 1200, 2400, 3600, 7200)
_HEIGHT = 170
_NAME_LENGTH = 60


def figure(title: str, note: str, svg: Markup, *keys: Markup) -> Markup:
    """A chart with its title, what it shows in words, and its legend."""
    return el("figure", el("figcaption", el("strong", title), " ", note), svg, *keys)


def svg_of(label: str, height: float, *shapes: str) -> Markup:
    """A drawing as wide as there is room."""
    return el("svg", *shapes, width="100%", height=height, role="group", aria_label=label)


def share(number: float) -> str:
    """A place or a width, between 0 and 100."""
    return f"{number:.2f}".rstrip("0").rstrip(".") + "%"


def text(x: float, y: float, words: str, class_: str = "", anchor: str | None = None) -> Markup:
    """Words at a place: `x` in percent, `y` in pixels."""
    return el("text", words, x=share(x), y=y, class_=class_ or None, text_anchor=anchor)


def cell(
    links: Links, session: ReportedSession, box: tuple[float, float, float, float], *said: str
) -> Markup:
    """A session in a chart: `box` is x and width in percent, y and height in pixels."""
    x, width, y, height = box
    label = titled((f"session {links.name(session.run_id, session.seq)}", session.result, *said))
    rect = el(
        "rect",
        x=share(x),
        width=share(width),
        y=f"{y:.1f}",
        height=f"{height:.1f}",
        class_=f"fill {CLASSES[session.result]}",
    )
    return el("a", rect, href=f"#{links.anchor(session)}", aria_label=label)


def cost_by_prompt(report: MorningReport, links: Links) -> Markup:
    """A bar for each prompt: what each of its sessions cost."""
    most = max((prompt.used.cost_usd for prompt in report.prompts), default=0.0)

    def row(prompt: Share) -> _Row:
        words = spent(prompt.used.cost_usd, known=prompt.cost_known)
        more = f", {len(prompt.unpriced)} of unknown cost" if prompt.unpriced else ""
        widths = [(each, each.record.cost_usd / most if most > 0 else 0.0) for each in _sorted(prompt)]
        return f"{words}{more}", widths

    drawn = _rows(report.prompts, row, links)
    note = "Every session counts, also those that failed."
    return figure("Cost by prompt", note, drawn, legend())


def outcomes_by_prompt(report: MorningReport, links: Links) -> Markup:
    """A bar for each prompt: what came of each of its sessions."""
    most = max((len(prompt.sessions) for prompt in report.prompts), default=1)

    def row(prompt: Share) -> _Row:
        counts = [(len(prompt.of(result).sessions), result) for result in Result]
        words = titled(f"{count} {result}" for count, result in counts if count)
        return words, [(each, 1 / most) for each in _sorted(prompt)]

    drawn = _rows(report.prompts, row, links)
    return figure("Outcomes by prompt", "One piece for each session.", drawn, legend())


def _sorted(prompt: Share) -> list[ReportedSession]:
    return sorted(prompt.sessions, key=lambda each: _ORDER[each.result])


def _rows(prompts: Sequence[Share], row: Callable[[Share], _Row], links: Links) -> Markup:
    rows = [_row(prompt, *row(prompt), links) for prompt in prompts[:_MOST_ROWS]]
    left = len(prompts) - _MOST_ROWS
    if left > 0:
        rows.append(el("p", f"{left} more are in the table of prompts.", class_="note"))
    return joined(rows)


def _row(prompt: Share, words: str, pieces: Sequence[tuple[ReportedSession, float]], links: Links) -> Markup:
    """The name of a prompt, and below it its bar."""
    shapes, at = list[Markup](), 0.0
    for session, width in pieces:
        if width <= 0:
            continue
        shapes.append(cell(links, session, (at * _FULL, width * _FULL, 1.0, float(BAR)), cost_of(session)))
        at += width
    name = one_line(prompt.name, _NAME_LENGTH)
    label = el("div", el("strong", name), f" {words}", class_="note")
    return el("div", label, svg_of(name, BAR + 2, *shapes), class_="row")


def by_duration(report: MorningReport, links: Links) -> Markup:
    """A column for each span of time: the sessions that took so long."""
    bins: list[list[ReportedSession]] = [[] for _ in range(len(_BINS) + 1)]
    for session in report.everything.sessions:
        bins[sum(session.took_s >= limit for limit in _BINS)].append(session)
    most = max(map(len, bins))
    wide = _FULL / len(bins)
    shapes: list[Markup] = []
    for place, found in enumerate(bins):
        x, tall = place * wide, min((_HEIGHT - 24) / max(most, 1), 16.0)
        shapes.append(text(x + wide / 2, _HEIGHT + 16, _bin_name(place), anchor="middle"))
        y = float(_HEIGHT)
        for session in sorted(found, key=lambda each: _ORDER[each.result]):
            y -= tall
            shapes.append(
                cell(links, session, (x + wide * 0.1, wide * 0.8, y, tall), duration(session.took_s))
            )
        if found:
            shapes.append(text(x + wide / 2, y - 5, str(len(found)), "strong", "middle"))
    base = el("line", x1="0%", x2="100%", y1=_HEIGHT, y2=_HEIGHT, class_="axis")
    drawn = svg_of("sessions by duration", _HEIGHT + 24, base, *shapes)
    note = f"Half of them took longer than {duration(report.everything.median_s)}."
    return figure("Sessions by duration", note, drawn, legend())


def _bin_name(place: int) -> str:
    limits = ("<1m", "1m", "2m", "5m", "10m", "20m", "40m", "1h", "2h+")
    return limits[place]


def cost_over_time(report: MorningReport, links: Links) -> Markup:
    """What had been spent when each session ended, with the cap."""
    ended = sorted(report.everything.sessions, key=lambda each: each.record.ended_at)
    if not ended:
        return Markup("")
    total = report.everything.used.cost_usd
    caps = {run.caps.max_cost_usd for run in report.runs}
    cap = next(iter(caps)) if len(report.runs) == 1 else None
    top = _top(total, cap)
    began = min(each.record.started_at for each in ended)
    whole_s = max((ended[-1].record.ended_at - began).total_seconds(), 1.0)
    shapes, x, y, cost = [], 0.0, float(_HEIGHT), 0.0
    dots: list[Markup] = []
    for session in ended:
        cost += session.record.cost_usd
        to_x = (session.record.ended_at - began).total_seconds() / whole_s * _FULL
        to_y = _HEIGHT - min(cost / top, 1.0) * (_HEIGHT - 20)
        shapes.append(_line(x, y, to_x, y, "curve"))
        if to_y != y:
            shapes.append(_line(to_x, y, to_x, to_y, "curve"))
        x, y = to_x, to_y
        dots.append(_dot(links, session, x, y, cost))
    axis = [_line(0, _HEIGHT, _FULL, _HEIGHT, "axis"), *_capped(cap, top)]
    words = [
        text(0, _HEIGHT + 16, began.astimezone().strftime("%b %d %H:%M")),
        text(
            _FULL, _HEIGHT + 16, ended[-1].record.ended_at.astimezone().strftime("%b %d %H:%M"), anchor="end"
        ),
    ]
    drawn = svg_of("cost over time", _HEIGHT + 24, *axis, *shapes, *dots, *words)
    note = f"{spent(total, known=report.everything.cost_known)} in all; hollow dots are sessions of unknown cost."
    return figure("Cost over time", f"{note} {_cap_words(report, cap, top)}", drawn)


def _top(total: float, cap: float | None) -> float:
    """What the top of the chart stands for: the cap too, unless it is far away."""
    return max(total, cap if cap is not None and cap <= total * 4 else 0.0) or 1.0


def _cap_words(report: MorningReport, cap: float | None, top: float) -> str:
    if len(report.runs) != 1:
        return ""
    if cap is None:
        return "The run has no cap on cost."
    return f"The cap is {money(cap)}{', far above this chart' if cap > top else ''}."


def _capped(cap: float | None, top: float) -> list[Markup]:
    if cap is None or cap > top:
        return []
    y = _HEIGHT - cap / top * (_HEIGHT - 20)
    return [_line(0, y, _FULL, y, "cap"), text(0, y - 5, f"cap {money(cap)}", "strong")]


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> Markup:
    return el("line", x1=share(x1), y1=f"{y1:.1f}", x2=share(x2), y2=f"{y2:.1f}", class_=name)


def _dot(links: Links, session: ReportedSession, x: float, y: float, cost: float) -> Markup:
    hollow = not session.record.cost_known
    circle = el("circle", cx=share(x), cy=f"{y:.1f}", r=4, class_="dot-unknown" if hollow else "dot-known")
    label = titled(
        (f"session {links.name(session.run_id, session.seq)}", cost_of(session), f"{money(cost)} by then")
    )
    return el("a", circle, href=f"#{links.anchor(session)}", aria_label=label)
