"""A session is accepted if the last that the default branch says of its change is that it is there (SPEC 11)."""

from __future__ import annotations

import pytest

from pitboss.core.acceptance import (
    Arrival,
    Arrivals,
    Revert,
    brought_by,
    reverts_named,
    sessions_named,
)
from pitboss.core.history import past
from tests.support.values import RUN_ID, record

OIDS = {name: f"f{number:039x}" for number, name in enumerate("abcdefmpxyz", 1)}
ONE, TWO = (RUN_ID, 1), (RUN_ID, 2)
LANDED = [past(record(seq, commit=f"{seq:040d}")) for seq in (1, 2)]


def trailers(run: str = RUN_ID, seq: int = 1) -> str:
    return f"Pitboss-Run: {run}\nPitboss-Session: {seq}\nPitboss-Prompt: alpha\n"


@pytest.mark.parametrize(
    ("message", "sessions"),
    [
        ("Words\n", ()),
        (f"alpha: done\n\nBody.\n\n{trailers()}", (ONE,)),
        (f"alpha: done\n\n{trailers()}\nSigned-off-by: a hook\n", (ONE,)),
        (f"All (#12)\n\n* alpha: one\n\n{trailers()}\n* alpha: two\n\n{trailers(seq=2)}", (ONE, TWO)),
        (f"Squashed\n\n    {trailers().replace(chr(10), chr(10) + '    ')}", (ONE,)),
        (f"{trailers()}{trailers('other', 7)}", (ONE, ("other", 7))),
        ("Pitboss-Session: 3\n", ()),
        (f"Pitboss-Run: {RUN_ID}\nPitboss-Session: three\n", ()),
        (f"Pitboss-Run: {RUN_ID}\nPitboss-Session: {'9' * 5000}\n", ()),
        (f"> {trailers()}", ()),
        (f"Pitboss-Rescue: {RUN_ID}/session-0001\n", ()),
    ],
)
def test_trailers_name_sessions_also_in_squashed_messages(
    message: str, sessions: tuple[tuple[str, int], ...]
) -> None:
    assert sessions_named(message) == sessions


def test_a_message_says_what_it_reverts() -> None:
    a, m, p = OIDS["a"], OIDS["m"], OIDS["p"]
    assert reverts_named(f'Revert "x"\n\nThis reverts commit {a}.\n') == (Revert(a),)
    merge = f"This reverts commit {m}, reversing\nchanges made to {p}.\n"
    assert reverts_named(f"{merge}This reverts commit {a}.\n") == (Revert(m, p), Revert(a))
    assert reverts_named(f"It says: This reverts commit {a}.\nThis reverts commit abc.\n") == ()


def test_a_reverted_merge_takes_back_what_it_brought_and_nothing_else() -> None:
    a, b, c, m, p = (OIDS[name] for name in "abcmp")
    parents = {m: [p, c], c: [b], b: [a], p: [a], a: []}
    assert set(brought_by(Revert(m, p), parents)) == {m, c, b}
    assert brought_by(Revert(a), parents) == (a,)


@pytest.mark.parametrize(
    ("branch", "there"),
    [
        ("", ""),
        ("a1", "1"),
        ("a12", "12"),
        ("b-a a1", ""),
        ("b-a a12", ""),
        ("c-b b-a a1", "1"),
        ("d-c c-b b-a a1", ""),
        ("c1 b-a a1", "1"),
        ("b-a c1 a1", ""),
        ("c-a b-a a1", ""),
        ("d-b c-a b-a a1", ""),
        ("e-d d-b c-a b-a a1", ""),
        ("c-b b-a2 a1", "1"),
        ("b-x a1", "1"),
        ("d-b b2 a1", "1"),
    ],
)
def test_whatever_came_last_counts(branch: str, there: str) -> None:
    """`b-a2`: commit b takes back a, and carries session 2. Newest first."""
    arrivals = []
    for word in branch.split():
        name, undoes = word[0], word[2:3] if "-" in word else ""
        carried = [int(digit) for digit in word if digit.isdecimal()]
        sessions = tuple((RUN_ID, seq) for seq in carried)
        arrivals.append(Arrival(OIDS[name], sessions, tuple(OIDS[other] for other in undoes)))
    found = Arrivals(arrivals, LANDED).accepted({})
    assert found == {(RUN_ID, int(seq)) for seq in there}


def test_a_session_arrives_by_its_commit_or_by_a_patch_that_is_the_same() -> None:
    own = Arrival(str(LANDED[0].commit))
    mine, merge, taken = (
        Arrival(OIDS["a"]),
        Arrival(OIDS["m"], is_plain=False),
        Arrival(OIDS["b"], undoes=(OIDS["x"],)),
    )
    nothing = past(record(3, commit=None))
    arrivals = Arrivals([mine, merge, taken, own], [*LANDED, nothing])
    assert arrivals.missing() == [LANDED[1]]
    assert arrivals.unexplained() == [OIDS["a"]]
    assert arrivals.accepted({}) == {ONE}
    assert arrivals.accepted({OIDS["a"]: [TWO]}) == {ONE, TWO}


def test_a_revert_that_names_the_commit_of_the_run_branch_counts() -> None:
    """The run was rebased, and its commits with it, but not the words of the commit that reverts one of them."""
    arrivals = [Arrival(OIDS["b"], undoes=(str(LANDED[0].commit),)), Arrival(OIDS["a"], sessions=(ONE,))]
    assert Arrivals(arrivals, LANDED).accepted({}) == frozenset()


def test_sessions_of_other_machines_are_nobodys() -> None:
    assert Arrivals([Arrival(OIDS["a"], sessions=(("elsewhere", 1),))], LANDED).accepted({}) == frozenset()
