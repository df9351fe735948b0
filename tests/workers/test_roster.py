"""Who takes the next session: fit workers with a free slot, those that were lost last (SPEC 14)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pitboss import __version__
from pitboss.workers.cluster import poll_pause_s
from pitboss.workers.doubts import Doubts
from pitboss.workers.extra import engine_version
from pitboss.workers.line import look_s
from pitboss.workers.messages import VERSION
from pitboss.workers.roster import (
    LEAST_FREE,
    SESSIONS,
    Roster,
    Seats,
    Silences,
    WorkerInfo,
    why_nobody,
    workers_of,
)

ENGINE = engine_version()
FIT = {
    "version": __version__,
    "messages": VERSION,
    "engine": ENGINE,
    "slots": 2,
    "pid": 7,
    "host": "rack",
}


def seen(**said: Any) -> tuple[WorkerInfo, ...]:
    """The workers of a scheduler, by name, with what each says of itself."""
    workers = {
        f"tcp://{name}": {
            "name": name,
            "last_seen": 5.0,
            "metrics": {} if facts is None else {SESSIONS: facts},
        }
        for name, facts in said.items()
    }
    return workers_of({"workers": workers})


def test_workers_are_listed_by_name_with_what_they_say_of_themselves() -> None:
    two, one = seen(b=FIT, a={**FIT, "seqs": {"run": [3, 1]}, "finished": 4})[::-1]
    assert (one.name, two.name, one.address, one.last_seen) == ("a", "b", "tcp://a", 5.0)
    assert one.facts is not None
    assert (one.slots, one.facts.seqs, one.facts.finished) == (2, {"run": (3, 1)}, 4)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (None, "it is not a pitboss worker: `pitboss worker ADDRESS` starts one"),
        ({"slots": "many"}, "it is not a pitboss worker: `pitboss worker ADDRESS` starts one"),
        ({**FIT, "version": "0.1.0"}, f"it is pitboss 0.1.0, and this is {__version__}"),
        ({**FIT, "messages": VERSION + 1}, f"it is pitboss {__version__}, and this is {__version__}"),
        ({**FIT, "engine": "1.2"}, f"it has dask 1.2, and this is {ENGINE}"),
    ],
)
def test_a_worker_that_is_not_fit_says_why_and_gets_no_session(facts: Any, why: str) -> None:
    (worker,) = seen(a=facts)
    assert (worker.unfit, worker.slots, worker.answering) == (why, 0, False)
    assert Seats().pick([worker]) is None


def test_a_worker_that_is_leaving_gets_no_session_but_is_asked_for_what_it_holds() -> None:
    (worker,) = seen(a={**FIT, "leaves": True})
    assert (worker.unfit, worker.slots, worker.answering) == ("it is leaving", 0, True)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"free": LEAST_FREE - 1}, "its disk is full"),
        ({"unkept": True}, "it cannot keep what a session left there"),
        ({"git_unfit": "it has no git"}, "it has no git"),
    ],
)
def test_a_worker_without_room_or_git_gets_no_session_but_can_be_asked_for_what_it_holds(
    said: dict[str, Any], why: str
) -> None:
    (worker,) = seen(a={**FIT, **said})
    assert (worker.unfit, worker.slots) == (why, 0)
    assert seen(a={**FIT, "free": LEAST_FREE})[0].slots == 2


def test_a_worker_without_an_agent_that_the_run_needs_gets_no_session() -> None:
    identity = {
        "workers": {"tcp://a": {"name": "a", "metrics": {SESSIONS: {**FIT, "agents": {"codex": {}}}}}}
    }
    assert [worker.unfit for worker in workers_of(identity, ["codex"])] == [None]
    (worker,) = workers_of(identity, ["codex", "claude_code"])
    assert (worker.unfit, worker.slots) == ("it has no claude_code", 0)


def test_a_worker_that_is_not_heard_of_gets_no_session_until_it_is_whatever_its_clock_says() -> None:
    silences, workers = Silences(), seen(a=FIT)
    assert [silences.judged(workers, now)[0].slots for now in (100.0, 104.0)] == [2, 2]
    assert silences.judged(workers, 106.0)[0].unfit == "it has not been heard of for a while"
    heard = [msgspec.structs.replace(workers[0], last_seen=-3600.0)]
    assert silences.judged(heard, 107.0)[0].slots == 2


def test_sessions_go_where_most_slots_are_free_and_no_two_slots_share_a_number() -> None:
    seats, workers = Seats(), seen(a={**FIT, "slots": 1}, b=FIT)
    taken = []
    while picked := seats.pick(workers):
        worker, number = picked
        seats.take(number)
        taken.append((worker.name, number))
    assert taken == [("b", 2), ("a", 1), ("b", 3)]
    seats.leave(2)
    assert seats.pick(workers) == (workers[1], 2)


def test_a_worker_that_was_lost_is_asked_last_and_keeps_its_numbers_when_it_is_back() -> None:
    seats, workers = Seats(), seen(a=FIT, b={**FIT, "slots": 1})
    seats.pick(workers)
    seats.shun("a")
    seats.pick(workers[1:])
    assert seats.pick(workers) == (workers[1], 3)
    seats.take(3)
    assert seats.pick(workers) == (workers[0], 1)


def test_a_run_that_waits_is_told_why_no_worker_takes_its_sessions() -> None:
    assert why_nobody((), "tls://rack:1") == "the scheduler at tls://rack:1 does not answer, or has none"
    workers = seen(a=None, b={**FIT, "version": "0.1"})
    assert why_nobody(workers, "tls://rack:1") == (
        "a: it is not a pitboss worker: `pitboss worker ADDRESS` starts one; "
        f"b: it is pitboss 0.1, and this is {__version__}"
    )


def test_what_a_worker_says_is_read_again_only_when_it_says_something_else() -> None:
    roster = Roster()
    known = {"name": "anna", "last_seen": 1.0, "metrics": {SESSIONS: FIT}}
    (first,) = roster.members({"workers": {"tls://anna:1": known}})
    assert roster.members({"workers": {"tls://anna:1": known}}) == (first,)
    assert roster.members({"workers": {"tls://anna:1": known}})[0] is first

    (heard,) = roster.members({"workers": {"tls://anna:1": {**known, "last_seen": 2.0}}})
    assert (heard.last_seen, heard.facts is first.facts) == (2.0, True)
    busy = {**known, "metrics": {SESSIONS: {**FIT, "finished": 7}}}
    (changed,) = roster.members({"workers": {"tls://anna:1": busy}})
    assert changed.facts is not None
    assert changed.facts.finished == 7
    assert roster.members({"workers": {}}) == ()
    assert roster.members({"workers": {"tls://anna:1": {**busy, "name": "bert"}}})[0].name == "bert"


def test_of_a_thousand_workers_each_is_picked_once_and_none_when_all_are_taken() -> None:
    seats = Seats()
    workers = seen(**{f"w{nth:04}": {**FIT, "slots": 1} for nth in range(1000)})
    taken = {}
    while picked := seats.pick(workers):
        seats.take(picked[1])
        taken[picked[0].name] = picked[1]
    assert len(set(taken.values())) == 1000
    seats.leave(taken["w0500"])
    assert seats.pick(workers) == (workers[500], taken["w0500"])
    assert seats.pick(workers[:500]) is None


def test_looks_at_many_workers_and_of_many_sessions_take_no_more_time_than_at_few() -> None:
    assert [poll_pause_s(took_s) for took_s in (0.0, 0.0005, 0.002, 60.0)] == [0.25, 0.25, 0.8, 10.0]
    assert [look_s(in_flight) for in_flight in (1, 10, 1000)] == [0.1, 0.1, 10.0]


def test_slots_in_which_other_runs_work_are_not_free() -> None:
    seats = Seats("mine")
    workers = seen(a={**FIT, "seqs": {"other": [7], "mine": [1]}}, b={**FIT, "seqs": {"other": [8, 9]}})
    picked = seats.pick(workers)
    assert picked is not None
    assert picked[0].name == "a"
    seats.take(picked[1])
    assert seats.pick(workers) is None
    free = seen(a=FIT, b={**FIT, "seqs": {"other": [8]}})
    assert [picked[0].name for picked in filter(None, [seats.pick(free)])] == ["a"]


def test_a_run_may_have_one_session_though_others_have_all_slots() -> None:
    seats = Seats("mine")
    workers = seen(a={**FIT, "seqs": {"other": [1, 2, 3]}}, b={**FIT, "seqs": {"other": [4, 5]}})
    picked = seats.pick(workers)
    assert picked is not None
    assert picked[0].name == "b"
    seats.take(picked[1])
    assert seats.pick(workers) is None
    seats.leave(picked[1])
    assert seats.pick(workers) == picked
    assert seats.pick(workers, resting=["a", "b"]) is None


def test_one_that_rests_gets_nothing_also_if_it_is_alone() -> None:
    seats, workers = Seats(), seen(a=FIT, b=FIT)
    picked = seats.pick(workers, resting=["a"])
    assert picked is not None
    assert picked[0].name == "b"
    assert seats.pick(workers, resting=["a", "b"]) is None
    assert seats.pick(workers) is not None


def test_one_that_is_doubted_gets_nothing_while_another_is_fit_though_it_be_busy() -> None:
    seats, workers = Seats(), seen(a=FIT, b=FIT)
    while (picked := seats.pick(workers, doubted=["a"])) is not None:
        assert picked[0].name == "b"
        seats.take(picked[1])
    for others in ({"resting": ["b"], "doubted": ["a"]}, {"doubted": ["a", "b"]}):
        picked = seats.pick(workers, **others)
        assert picked is not None
        assert picked[0].name == "a"
    alone = seats.pick(seen(a=FIT, b={**FIT, "leaves": True}), doubted=["a"])
    assert alone is not None


def test_each_time_that_a_worker_is_doubted_again_it_is_for_longer() -> None:
    doubts = Doubts()
    assert [doubts.add("a", now) for now in (0.0, 1.0, 59.0, 60.0, 179.0, 180.0)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert doubts.current(419.0) == {"a"}
    assert doubts.current(420.0) == set()
