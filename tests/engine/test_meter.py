"""What sessions in flight use, as the budget of one beside them sees it (SPEC 4)."""

from __future__ import annotations

from pitboss.core.usage import Usage
from pitboss.engine.meter import Meter


def test_what_neighbours_cost_is_what_all_but_the_session_itself_cost() -> None:
    meter = Meter()
    assert meter.cost_beside(1) == 0.0
    for seq, usd in ((1, 1.0), (2, 2.0), (3, 4.0)):
        meter.show(seq, Usage(cost_usd=usd))
    assert [meter.cost_beside(seq) for seq in (1, 2, 3, 4)] == [6.0, 5.0, 3.0, 7.0]
    meter.show(3, None)
    assert meter.cost_beside(1) == 2.0
