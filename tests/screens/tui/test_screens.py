"""Every screen of the TUI in every state, at 80x24 and 200x50, as people see it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from pitboss.core.stops import RunStatus
from pitboss.store.state_codec import encode_state
from tests.screens.tui import a_night
from tests.screens.tui.a_night import NOW, RUN_ID, at, judge, live, make_run, shown, watching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from textual.pilot import Pilot

    from pitboss.screens.tui.app import WatchApp

SMALL, LARGE = (80, 24), (200, 50)
PAGES = {
    "run": (),
    "run-not-landed": ("tab",),
    "run-timeline": ("tab", "tab"),
    "run-queue": ("tab", "tab", "tab"),
    "run-scratchpad": ("tab", "tab", "tab", "tab"),
    "run-filtered": ("slash", "t", "i", "d", "y", "enter"),
    "ask-pause": ("p",),
    "ask-stop-now": ("S",),
    "ask-skip": ("shift+tab", "x"),
    "cap": ("plus", "plus", "j", "minus"),
    "task": ("n", "M", "e", "n", "d"),
    "help": ("question_mark",),
    "runs": ("escape",),
    "session": ("enter",),
    "session-diff": ("G", "d"),
    "session-attempts": ("j", "enter", "shift+tab"),
    "session-tests": ("tab", "j", "t", "tab"),
    "flight": ("shift+tab", "enter"),
    "flight-transcript": ("shift+tab", "t"),
    "flight-diff": ("shift+tab", "d"),
}

WITH_ROOM = ("run", "run-filtered", "help", "runs", "session-diff", "cap")


@pytest.fixture(autouse=True)
def _greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "calc"


async def settled(app: WatchApp, pilot: Pilot[None]) -> None:
    """Wait until two looks have found nothing more to draw."""
    await pilot.pause()
    looks = app.looks
    while app.looks < looks + 2:
        app.look_now()
        await asyncio.sleep(0.01)
    await pilot.pause()


def visit(
    repo: Path, keys: Sequence[str], size: tuple[int, int], name: str, run: str | None = RUN_ID
) -> None:
    """Press keys on a fresh viewer, and judge what stands there."""

    async def press() -> None:
        app = watching(repo, run)
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            for key in keys:
                await pilot.press(key)
                await settled(app, pilot)
            judge(name, app)

    asyncio.run(press())


@pytest.mark.parametrize(
    ("page", "size"), [*((page, SMALL) for page in PAGES), *((page, LARGE) for page in WITH_ROOM)]
)
def test_a_live_run(repo: Path, page: str, size: tuple[int, int]) -> None:
    make_run(repo)
    with live(repo):
        visit(repo, PAGES[page], size, f"{page}-{size[0]}")


@pytest.mark.parametrize(
    "status", [RunStatus.COMPLETED, RunStatus.ABORTED, RunStatus.FAILED, RunStatus.ACTIVE]
)
def test_a_run_at_rest(repo: Path, status: RunStatus) -> None:
    why = {RunStatus.ABORTED: "max-iterations reached: 6 >= 6", RunStatus.FAILED: "internal error: oops"}
    paths = make_run(repo)
    rest = a_night.state(status=status, stop_reason=why.get(status), in_flight=())
    paths.state.write_bytes(encode_state(rest))
    visit(repo, (), SMALL, f"at-rest-{status}")


def test_a_run_that_cannot_be_read(repo: Path) -> None:
    make_run(repo).state.write_bytes(b"{")
    visit(repo, (), SMALL, "unreadable")


def test_a_run_that_has_just_begun(repo: Path) -> None:
    paths = make_run(repo)
    paths.log.write_bytes(b"")
    paths.events.unlink()
    paths.state.write_bytes(encode_state(a_night.fresh()))
    with live(repo):
        visit(repo, (), SMALL, "just-begun")


def test_no_run_at_all(repo: Path) -> None:
    (repo / ".git").mkdir(parents=True)

    async def look() -> None:
        app = watching(repo, None)
        async with app.run_test(size=SMALL) as pilot:
            await settled(app, pilot)
            assert "no runs yet: `pitboss grind` starts one" in shown(app)

    asyncio.run(look())


def test_nothing_of_an_agent_acts_on_the_terminal_or_is_markup(repo: Path) -> None:
    make_run(repo)

    async def look() -> None:
        app = watching(repo)
        async with app.run_test(size=LARGE) as pilot:
            await settled(app, pilot)
            seen = shown(app)
            assert "[red]bold[/]" in seen
            assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in seen if letter != "\n")
            assert "\u202e" not in seen

    with live(repo):
        asyncio.run(look())


def test_the_night_is_where_it_should_be() -> None:
    assert at(270) == NOW
