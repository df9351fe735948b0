"""One session as a screen shows it: its facts, and the files with what it printed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.core.events import SessionStarted
from pitboss.core.measures import stamp
from pitboss.core.session import SessionStatus, TokenUsage
from pitboss.core.timeline import Track
from pitboss.core.tone import Tone
from pitboss.core.usage import RoleTokens
from pitboss.core.view import Flight
from pitboss.core.words.session_facts import flight_facts, session_facts
from pitboss.store.event_log import encode_event
from pitboss.store.run_watch import RunWatch
from pitboss.store.session_files import Printed, session_files
from pitboss.store.session_page import session_page
from tests.support.values import STARTED, flying, fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pitboss.core.words.session_facts import Fact
    from pitboss.store.rundir import RunDir


def said(facts: Iterable[Fact]) -> dict[str, str]:
    return {fact.name: fact.value for fact in facts}


def test_the_files_of_a_session_come_in_the_order_in_which_they_begin(run: RunDir) -> None:
    for kind in (
        "",
        "attempt-02",
        "verify",
        "fix-01",
        "fix-01.attempt-02",
        "verify-01",
        "verify-02",
        "hooks",
    ):
        run.paths.transcript(1, kind).write_text(kind)
    run.paths.transcript(1, "attempt-03").mkdir()
    found = session_files(run.paths, 1)
    assert [(file.by, file.title, file.size) for file in found] == [
        (Printed.AGENT, "agent", 0),
        (Printed.AGENT, "agent, attempt 2", 10),
        (Printed.VERIFY, "tests", 6),
        (Printed.FIXER, "fixer 1", 6),
        (Printed.FIXER, "fixer 1, attempt 2", 17),
        (Printed.VERIFY, "tests after fixer 1", 9),
        (Printed.VERIFY, "tests after fixer 2", 9),
        (Printed.HOOKS, "hooks", 5),
    ]
    assert session_files(run.paths, 2) == ()


def test_a_recorded_session_has_its_facts_and_what_landed_before_it(run: RunDir, tmp_path: Path) -> None:
    for line in (record(1), record(2, commit=None), record(3)):
        run.record(line)
    run.paths.events.write_bytes(
        encode_event(SessionStarted(t=STARTED, seq=3, prompt="alpha", slot="slot-1"))
    )
    page = session_page(run.paths, RunWatch(tmp_path, "rid").look(), 3)
    assert page is not None
    assert (page.record, page.flight, page.landed_before) == (record(3), None, record(1).commit)
    assert page.track == Track(seq=3, began=STARTED, slot="slot-1")
    assert said(page.facts(STARTED, stamp))["session"] == "session-0003 of rid"


def test_a_session_in_flight_has_a_page_too_and_one_that_is_neither_has_none(
    run: RunDir, tmp_path: Path
) -> None:
    run.checkpoint(fresh_run(in_flight=(flying(1),)))
    run.paths.transcript(1).write_text("at work")
    seen = RunWatch(tmp_path, "rid").look()
    page = session_page(run.paths, seen, 1)
    assert page is not None
    assert (page.record, page.flight, [file.title for file in page.files]) == (
        None,
        seen.view.flight(1),
        ["agent"],
    )
    assert said(page.facts(STARTED, stamp))["status"] == "cut short", "no process of its run is there"
    assert session_page(run.paths, seen, 2) is None


def test_every_fact_of_a_record_that_says_something_is_said() -> None:
    by_role = {"implementer": RoleTokens(input=1000, output=300), "fixer": RoleTokens(input=200)}
    full = record(
        7,
        status=SessionStatus.ERROR,
        reason="verify_failed: test_a",
        retry_of=3,
        agent="codex",
        model="gpt",
        attempts=2,
        waited_s=90.0,
        rescue=("refs/one", "refs/two"),
        hidden="a.env",
        cache_read=5,
        cost_usd=0.5,
        cost_source="price_table",
        host="north",
    )
    facts = list(session_facts(full, stamp, kept=True))
    assert (facts[2].toned, facts[2].tone, facts[2].value) == (
        "error",
        Tone.BAD,
        "error: verify_failed: test_a",
    )
    words = said(facts)
    assert words["retry of"] == "session-0003, which ended in a conflict or with its worker"
    assert (words["agent"], words["attempts"], words["hidden"]) == ("codex gpt", "2, waited 1m30s", "a.env")
    assert words["worker"] == "north"
    assert [fact.value for fact in facts if fact.name == "rescued"] == ["refs/one", "refs/two"]
    assert words["cost"] == "$0.50 (tokens priced by the public table; `pitboss doctor` shows its date)"
    split = TokenUsage(input=1200, output=300, by_role=by_role)
    billed = msgspec.structs.replace(record(8, commit=None), tokens=split)
    words = said(session_facts(billed, stamp, kept=True))
    assert (words["tokens"], words["  fixer"]) == (
        "1500 (input=1200, output=300)",
        "200 (input=200, output=0)",
    )
    assert (words["commit"], words["cost"]) == ("(none)", "$0.00")
    assert words["transcript"] == "transcripts/session-0008.log"
    assert said(session_facts(billed, stamp, kept=False))["transcript"] == "(not kept)"


@pytest.mark.parametrize(("unpriced", "cost"), [("opus", "unknown (opus has no price)"), (None, "unknown")])
def test_a_cost_that_is_not_known_says_why(unpriced: str | None, cost: str) -> None:
    unsure = record(1, cost_known=False, cost_source="unknown", unpriced=unpriced)
    assert said(session_facts(unsure, stamp, kept=True))["cost"] == cost


def test_a_free_session_says_nothing_of_money() -> None:
    assert {"tokens", "cost", "agent", "attempts"} & said(
        session_facts(record(1), stamp, kept=True)
    ).keys() == set()


def test_every_fact_of_a_flight_that_says_something_is_said() -> None:
    now = STARTED + timedelta(minutes=2)
    flight = Flight(
        seq=4,
        prompt="alpha",
        agent="codex",
        slot="worktrees/slot-1",
        host="rack",
        retry_of=2,
        started_at=STARTED,
        tokens=RoleTokens(input=10, output=2),
        cost_known=False,
    )
    assert said(flight_facts("rid", flight, now, stamp)) == {
        "session": "session-0004 of rid",
        "prompt": "alpha",
        "status": "in flight",
        "now": "starting",
        "retry of": "session-0002, which ended in a conflict or with its worker",
        "started": "2026-04-30T17:00:00Z",
        "duration": "2m00s",
        "agent": "codex",
        "worker": "rack",
        "slot": "worktrees/slot-1",
        "tokens": "12 (input=10, output=2) so far",
        "cost": "unknown so far",
    }
    assert list(said(flight_facts("rid", Flight(seq=1), now, stamp))) == [
        "session",
        "prompt",
        "status",
        "now",
    ]
