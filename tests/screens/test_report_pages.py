"""The report as HTML, markdown, text and JSON: it is small, whole and harmless, whatever agents wrote."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import Caps
from pitboss.core.condition import Condition
from pitboss.core.measures import stamp
from pitboss.core.report.morning import RunFacts, morning_report
from pitboss.screens.report.as_json import report_json
from pitboss.screens.report.markup import Markup, el, escaped, joined
from pitboss.screens.report.page import html_page
from pitboss.screens.report.plain import escaped as markdown_escaped
from pitboss.screens.report.plain import markdown, plain_text
from tests.support.night_report import night_facts, night_report
from tests.support.values import STARTED

if TYPE_CHECKING:
    from pitboss.core.report.morning import MorningReport

MOST_BYTES = 500_000
LONG = "Refactors the parser so that an empty line no longer ends a block, and adds the tests for it. " * 20
VOID = {"meta", "br"}


class Elements(HTMLParser):
    """The elements of a page, and whether each that opens is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_every_element_is_closed_and_every_link_has_its_target_once() -> None:
    page = html_page(night_report(60))
    assert Elements(page).open == []
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert {f"s{seq}" for seq in range(1, 61)} <= set(re.findall(r'href="#([^"]+)"', page))


def test_two_hundred_sessions_whose_agents_wrote_much_are_less_than_half_a_megabyte() -> None:
    assert len(html_page(night_report(200, summary=LONG)).encode()) < MOST_BYTES


def test_long_lists_are_folded() -> None:
    page = html_page(night_report(60))
    assert "more sessions</summary>" in page
    assert "more landed sessions</summary>" in page
    assert "</details>" not in html_page(night_report(1, commit=None)).split("All sessions")[1]


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg/onload=alert(1)>",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "<!-- --><iframe src=//evil>",
    "\x1b]0;title\x07\x00\u202e\ud800",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_element(text: str) -> None:
    hostile = {"prompt": text, "summary": text, "reason": text, "agent": text, "model": text}
    found, tame = (
        Elements(html_page(night_report(9, **changes)))
        for changes in (hostile, dict.fromkeys(hostile, "tame"))
    )
    assert found.names == tame.names
    assert found.attributes == tame.attributes


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    found = Elements(f"<p>{escaped(text)}</p>")
    assert found.names == ["p"]
    assert not set(escaped(text)) & set("<>\"'\x00\x1b")
    assert "<" not in el("a", href=text).removeprefix("<a").removesuffix("</a>").rstrip(">")


def test_markup_is_not_escaped_again() -> None:
    inner = el("b", "1 < 2")
    assert inner == "<b>1 &lt; 2</b>"
    assert joined([inner, "&"], " ") == "<b>1 &lt; 2</b> &amp;"
    assert el("meta", charset="utf-8", hidden=True, lang=None, open=False) == '<meta charset="utf-8" hidden>'
    assert isinstance(inner, Markup)


@given(st.text())
def test_markdown_shows_text_as_it_is(text: str) -> None:
    written = markdown_escaped(text)
    assert "\n" not in written
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>#|~&]", written)
    assert not re.search(r"@(?!\u200b)", written)


def test_text_and_markdown_hold_every_session_and_no_control_characters() -> None:
    report = night_report(30, summary="\x1b[2Jevil\x07")
    for written in (markdown(report), plain_text(report)):
        assert all(f"#{seq} " in written for seq in range(1, 31))
        assert all(character.isprintable() or character in "\n\u200b" for character in written)


def decoded(report: MorningReport) -> dict[str, object]:
    found: dict[str, object] = json.loads(msgspec.json.encode(report_json(report)))
    return found


def test_json_has_the_keys_of_the_contract_and_counts_each_session_once() -> None:
    found = decoded(night_report(30))
    assert {
        "run_id",
        "verdict",
        "sessions",
        "landed",
        "rescued",
        "failed",
        "cost_usd",
        "cost_known",
        "tokens",
        "needs_you",
        "landed_sessions",
    } <= set(found)
    counts = [found[key] for key in ("landed", "rescued", "failed", "changed_nothing", "stopped")]
    assert sum(map(int, map(str, counts))) == found["sessions"] == 30


def test_a_joined_report_tells_the_sessions_of_its_runs_apart() -> None:
    one, other = night_facts(5), night_facts(5, run_id="other")
    both = [one, msgspec.structs.replace(other, run_id="other")]
    report = morning_report(both, STARTED, stamp)
    page = html_page(report)
    assert {"r1s1", "r2s1"} <= set(re.findall(r' id="([^"]+)"', page))
    assert "Report on 2 runs" in page
    assert "other/1" in plain_text(report)
    assert decoded(report)["run_id"] is None


def test_a_report_on_nothing_can_be_read() -> None:
    for report in (morning_report([], STARTED, stamp), night_report(0)):
        assert "No session ran" in html_page(report)
        assert "No session ran" in plain_text(report)
        assert "No session ran" in markdown(report)
        assert decoded(report)["sessions"] == 0


def test_a_run_that_cannot_be_read_has_a_report() -> None:
    facts = RunFacts(run_id="rid", condition=Condition.UNREADABLE, problem="torn")
    assert "cannot be read: torn" in html_page(morning_report([facts], STARTED, stamp))


@pytest.mark.parametrize(
    ("cap", "said"), [(None, "no cap on cost"), (1000.0, "far above this chart"), (5.0, "cap $5.00")]
)
def test_the_cap_is_in_the_chart_of_costs_unless_it_is_far_away(cap: float | None, said: str) -> None:
    facts = night_facts(9)
    assert facts.state is not None
    state = msgspec.structs.replace(facts.state, caps=Caps(max_cost_usd=cap))
    page = html_page(morning_report([msgspec.structs.replace(facts, state=state)], STARTED, stamp))
    assert said in page
    assert ('class="cap"' in page) is (cap == 5.0)
