"""Who has landed waits for those who have a turn or wait for one, and no longer than it may (SPEC 6)."""

from __future__ import annotations

import time
from threading import Thread

from pitboss.landing.turns import Turns

LONG_S = 300.0


def test_who_lets_others_go_first_waits_until_nobody_has_a_turn() -> None:
    turns = Turns()
    waiting = Thread(target=turns.let_others_go_first, args=(LONG_S,))
    with turns.turn():
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join(LONG_S / 2)
    assert not waiting.is_alive()


def test_it_does_not_wait_where_nobody_lands() -> None:
    began = time.monotonic()
    Turns().let_others_go_first(LONG_S)
    assert time.monotonic() - began < LONG_S / 2


def test_it_waits_for_so_long_and_no_longer() -> None:
    turns = Turns()
    with turns.turn():
        began = time.monotonic()
        turns.let_others_go_first(0.2)
        assert 0.2 <= time.monotonic() - began < LONG_S / 2
