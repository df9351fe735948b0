"""Steps of an agent become the events that a screen shows; most of them are never composed (SPEC 9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.events import STEP_TEXT, AgentStep, QuotaSeen, SessionEnded, Step, StepKind, quota_seen
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.usage import RoleTokens, Usage
from tests.support.values import record

BEFORE = Step(
    seq=2, what=StepKind.TEXT, text="thinking", tokens=RoleTokens(input=4), cost_usd=0.25, cost_known=False
)
USED = Usage(input=9, output=3, cost_usd=0.5)

agent_steps = st.builds(
    AgentStep,
    seq=st.just(2),
    event=st.builds(
        AgentEvent, kind=st.sampled_from(EventKind), text=st.sampled_from(["", "one", "two", "three"])
    ),
    used=st.none() | st.builds(Usage, input=st.integers(0, 9), cost_usd=st.floats(0, 9)),
)


def agent_step(kind: EventKind, text: str = "", used: Usage | None = None) -> AgentStep:
    return AgentStep(seq=2, event=AgentEvent(kind=kind, text=text), used=used)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (EventKind.TEXT, StepKind.TEXT),
        (EventKind.TOOL, StepKind.TOOL),
        (EventKind.RETRY, StepKind.RETRY),
    ],
)
def test_words_replace_those_before_and_what_was_used_stays(kind: EventKind, what: StepKind) -> None:
    assert agent_step(kind, "make\n  test").shown(BEFORE) == Step(
        seq=2,
        what=what,
        text="make test",
        tokens=BEFORE.tokens,
        cost_usd=BEFORE.cost_usd,
        cost_known=BEFORE.cost_known,
    )


@pytest.mark.parametrize("kind", [EventKind.STARTED, EventKind.USAGE, EventKind.QUOTA])
def test_a_step_that_is_not_for_people_leaves_the_words_before(kind: EventKind) -> None:
    assert agent_step(kind, "session 4711").shown(BEFORE) == BEFORE


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_blank_words_leave_those_before(text: str) -> None:
    assert agent_step(EventKind.TOOL, text).shown(BEFORE) == BEFORE


def test_what_was_used_replaces_what_was_used_before_and_the_words_stay() -> None:
    assert agent_step(EventKind.USAGE, used=USED).shown(BEFORE) == Step(
        seq=2,
        what=StepKind.TEXT,
        text="thinking",
        tokens=RoleTokens(input=9, output=3),
        cost_usd=0.5,
        cost_known=True,
    )


def test_a_long_text_is_cut() -> None:
    assert len(agent_step(EventKind.TEXT, "x" * 9 * STEP_TEXT).shown(BEFORE).text) <= STEP_TEXT


def test_only_a_request_that_is_made_again_is_a_retry() -> None:
    assert [kind for kind in EventKind if agent_step(kind).is_retry] == [EventKind.RETRY]


def test_two_steps_as_one_have_the_last_words_and_the_last_that_is_known_of_what_was_used() -> None:
    words, usage = agent_step(EventKind.TOOL, "make"), agent_step(EventKind.USAGE, used=USED)
    assert words.then(usage) == usage.then(words) == agent_step(EventKind.TOOL, "make", USED)
    assert words.then(agent_step(EventKind.TEXT, "done")) == agent_step(EventKind.TEXT, "done")


@given(st.lists(agent_steps, min_size=3, max_size=6), st.integers(0, 5))
def test_how_steps_are_put_together_on_the_way_makes_no_difference(steps: list[AgentStep], at: int) -> None:
    """A screen that is slow gets fewer steps, and shows the same in the end."""

    def together(some: list[AgentStep]) -> AgentStep:
        first, *others = some
        for each in others:
            first = first.then(each)
        return first

    cut = 1 + at % (len(steps) - 1)
    assert together(steps) == together(steps[:cut]).then(together(steps[cut:]))


def test_the_end_of_a_session_is_of_the_session_that_its_record_names() -> None:
    assert SessionEnded(record=record(7)).seq == 7


def test_every_window_that_an_agent_spoke_of_is_told() -> None:
    five, seven, other = (QuotaWindow(used=used, resets_at=9.0) for used in (0.1, 0.2, 0.3))
    assert quota_seen("codex", Quota(five_hour=five, seven_day=seven, other=other)) == QuotaSeen(
        agent="codex", five_hour=five, seven_day=seven, other=other
    )
