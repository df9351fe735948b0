"""A program that is kept running ends with whoever asks it (SPEC 1.5)."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.process import conversation
from pitboss.process.conversation import Conversation

if TYPE_CHECKING:
    from pathlib import Path

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


def test_one_that_does_not_answer_takes_its_lock_files_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock"
    hangs = f"trap 'rm {lock}; kill $!; exit' TERM; : >{lock}; sleep 60 & echo ready; while :; do wait; done"
    asked = Conversation(("sh", "-c", hangs), os.environ)
    assert asked.ask(b"are you?\n", is_whole=lambda said: said == b"ready\n")
    assert lock.exists()
    monkeypatch.setattr(conversation, "ANSWER_S", 0.0)
    assert asked.ask(b"and now?\n", is_whole=lambda said: said == b"ready\n") is None
    assert not lock.exists()


@pytest.mark.parametrize(("limit", "value"), [("MOST_BYTES", 1024 * 1024), ("ANSWER_S", 0.3)])
def test_one_whose_answer_has_no_end_is_ended(
    limit: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, limit, value)
    mark = {MARK: f"{os.getpid()}-{limit}"}
    asked = Conversation(("yes",), {**os.environ, **mark})
    assert asked.ask(b"", is_whole=lambda said: len(said) > 1024**3) is None
    assert proctree.carrying(mark, since=0) == []
