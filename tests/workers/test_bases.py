"""What a worker has of the run branch, known without git: later tips hold earlier ones (SPEC 14)."""

from __future__ import annotations

from pitboss.workers.bases import MOST, Bases


def test_a_later_tip_holds_an_earlier_one_and_not_the_other_way_round() -> None:
    bases = Bases()
    for commit in ("a", "b", "a", "c"):
        bases.add(commit)
    assert "b" in bases
    assert "x" not in bases
    assert bases.is_within("b", ["c"])
    assert bases.is_within("b", ["x", "b"])
    assert bases.is_within("x", ["x"])
    assert not bases.is_within("c", ["b"])
    assert not bases.is_within("b", ["x"])
    assert not bases.is_within("x", ["c"])
    assert not bases.is_within("b", [])


def test_the_oldest_are_forgotten() -> None:
    bases = Bases()
    for nth in range(MOST + 1):
        bases.add(str(nth))
    assert "0" not in bases
    assert "1" in bases
    assert not bases.is_within("0", [str(MOST)])
    assert bases.is_within("1", [str(MOST)])
