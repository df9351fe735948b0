"""A page is rendered once for all who watch it, and each of them gets what changed since their version (SPEC 10)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from markupsafe import Markup

from pitboss.screens.web import feeds
from pitboss.screens.web.event_stream import encode
from pitboss.screens.web.feeds import MOST_FEEDS, Feed, Feeds, Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.screens.web.pages import Parts


class Source:
    """A page whose parts the test changes."""

    def __init__(self, **parts: str) -> None:
        self.parts = parts
        self.rendered = 0

    def __call__(self) -> Parts:
        self.rendered += 1
        return dict(self.parts)


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look reads, and nobody waits between two."""
    monkeypatch.setattr(feeds, "LOOK_S", 0.0)


async def seen(feed: Feed, version: str | None = None) -> Update:
    await feed.look()
    return feed.since(version)


@pytest.mark.usefixtures("_eager")
def test_a_viewer_gets_only_what_changed_since_its_version() -> None:
    async def scene() -> None:
        source = Source(top="1", rows="a")
        feed = Feed(source, "x")
        first = await seen(feed)
        assert first == Update("x-1", {"top": "1", "rows": "a"})
        assert await seen(feed, first.version) == Update("x-1", {})
        source.parts["rows"] = "b"
        second = await seen(feed, first.version)
        assert second == Update("x-2", {"rows": "b"})
        source.parts |= {"top": "2"}
        assert await seen(feed, second.version) == Update("x-3", {"top": "2"})
        assert await seen(feed, first.version) == Update("x-3", {"top": "2", "rows": "b"})

    asyncio.run(scene())


@pytest.mark.usefixtures("_eager")
@pytest.mark.parametrize("version", [None, "", "y-1", "x-2", "x-", "x--1", "x-one", "1", f"x-{'9' * 5000}"])
def test_a_version_of_another_server_or_none_gets_everything(version: str | None) -> None:
    assert asyncio.run(seen(Feed(Source(top="1"), "x"), version)) == Update("x-1", {"top": "1"})


@pytest.mark.usefixtures("_eager")
def test_a_part_that_is_gone_becomes_empty_once() -> None:
    async def scene() -> None:
        source = Source(top="1", needs="x")
        feed = Feed(source, "x")
        first = await seen(feed)
        del source.parts["needs"]
        second = await seen(feed, first.version)
        assert second == Update("x-2", {"needs": ""})
        assert await seen(feed, second.version) == Update("x-2", {})

    asyncio.run(scene())


@pytest.mark.usefixtures("_eager")
def test_that_time_goes_by_is_no_change_but_a_new_page_shows_it() -> None:
    async def scene() -> None:
        source = Source(top=Markup('<time data-tick="ago" datetime="T">2 s ago</time>'))
        feed = Feed(source, "x")
        first = await seen(feed)
        source.parts["top"] = Markup('<time data-tick="ago" datetime="T">9 s ago</time>')
        assert await seen(feed, first.version) == Update("x-1", {})
        assert feed.since(None).parts["top"] == source.parts["top"]

    asyncio.run(scene())


@pytest.mark.usefixtures("_eager")
def test_what_no_template_made_is_text() -> None:
    parts = asyncio.run(seen(Feed(Source(title="<b>\x1b[1m"), "x"))).parts
    assert parts == {"title": "&lt;b&gt;^[[1m"}


def test_many_viewers_at_once_cost_one_reading() -> None:
    async def scene() -> int:
        source = Source(top="1")
        feed = Feed(source, "x")
        await asyncio.gather(*(seen(feed) for _ in range(20)))
        return source.rendered

    assert asyncio.run(scene()) == 1


@pytest.mark.usefixtures("_eager")
def test_a_viewer_gets_updates_as_they_come_and_a_heartbeat_when_none_do() -> None:
    async def scene() -> list[Update | None]:
        source = Source(top="1")
        heard: list[Update | None] = []
        async for update in Feed(source, "x").updates(None, heartbeat_s=0.0):
            heard.append(update)
            if len(heard) == 2:
                source.parts["top"] = "2"
            if len(heard) == 3:
                return heard
        raise AssertionError

    assert asyncio.run(scene()) == [Update("x-1", {"top": "1"}), None, Update("x-2", {"top": "2"})]


def test_the_feed_used_longest_ago_is_forgotten() -> None:
    def reader() -> Callable[[], Parts]:
        return Source()

    async def scene() -> None:
        kept = Feeds("x")
        first = kept.feed(0, reader)
        for number in range(1, MOST_FEEDS):
            kept.feed(number, reader)
        assert kept.feed(0, reader) is first
        kept.feed(MOST_FEEDS, reader)
        assert kept.feed(0, reader) is first
        assert kept.feed(1, reader).since(None).version != first.since(None).version

    asyncio.run(scene())


def test_an_event_is_one_line_of_json_whatever_is_in_it() -> None:
    event = encode(Update("x-1", {"rows": "<li>a\n\nevent: b\r\n</li>"}))
    assert event == b'id: x-1\nevent: parts\ndata: {"rows":"<li>a\\n\\nevent: b\\r\\n</li>"}\n\n'
