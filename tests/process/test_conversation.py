"""A program that is kept running ends with whoever asks it (SPEC 1.5)."""

from __future__ import annotations

import gc
import os

from pitboss import proctree
from pitboss.process.conversation import Conversation

MARK = "TEST_CONVERSATION"


def test_it_ends_in_order_when_nobody_can_ask_it_any_more_not_even_itself() -> None:
    mark = {MARK: str(os.getpid())}
    asked = Conversation(("cat",), {**os.environ, **mark})
    cycle: list[object] = [asked]
    cycle.append(cycle)
    assert asked.ask(b"hello\n", is_whole=lambda said: said.endswith(b"\n")) == b"hello\n"
    assert proctree.carrying(mark, since=0)
    del asked, cycle
    gc.collect()  # a warning is an error here
    assert proctree.carrying(mark, since=0) == []
