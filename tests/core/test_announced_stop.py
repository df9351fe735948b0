"""What adds a reason to stop keeps what was announced, and is due no later (SPEC 6)."""

from __future__ import annotations

from contextlib import nullcontext
from math import inf

import pytest

from pitboss.core.announced_stop import AnnouncedStop, announced_like
from pitboss.core.stops import StopRequest


def test_what_is_not_announced_stays_so() -> None:
    def ask() -> StopRequest:
        return StopRequest.SKIP

    assert announced_like(lambda: None, ask, lambda: 1.0) is ask


@pytest.mark.parametrize(("own", "other", "due"), [(inf, 2.0, 2.0), (1.0, 2.0, 1.0)])
def test_what_is_announced_stays_so_and_is_due_with_the_first_of_both(
    own: float, other: float, due: float
) -> None:
    stop = AnnouncedStop(lambda: None, lambda _: nullcontext(), lambda: own)
    both = announced_like(stop, lambda: StopRequest.STALLED, lambda: other)
    assert isinstance(both, AnnouncedStop)
    assert (stop(), both()) == (None, StopRequest.STALLED)
    assert (both.calling, both.due_s()) == (stop.calling, due)


def test_without_a_word_about_that_it_is_never_due() -> None:
    assert AnnouncedStop(lambda: None, lambda _: nullcontext()).due_s() == inf
