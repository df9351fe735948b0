"""Keeps pages up to date for everybody who watches them: each page is read and rendered once, however many (SPEC 10).

A page consists of parts. A feed holds the latest text of each part and the number of the version in which it last
changed. So whoever says which version they have can be sent the rest: no history is kept, and a client that reads
slowly skips versions, at no cost to anybody else.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from pitboss.screens.web.pages import Parts, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

Render = Callable[[], Parts]
"""Reads what a page is about and renders its parts."""

LOOK_S = 0.5
"""Seconds between two looks at a run that somebody watches."""

MOST_FEEDS = 24
"""How many pages stay in memory."""

_TICKING = re.compile(r"(<time data-tick=[^>]*>)[^<]*")
"""A time that the browser keeps true by itself."""


class Update(NamedTuple):
    """What changed since a version, and the version that it leads to."""

    version: str
    parts: Parts


class Feed:
    """The parts of one page. `render` runs in a thread, one call at a time; versions of other feeds mean nothing."""

    def __init__(self, render: Render, origin: str) -> None:
        self._render = render
        self._origin = origin
        self._parts: dict[str, tuple[int, Markup]] = {}
        self._steady: dict[str, str] = {}
        self._number = 0
        self._looked = float("-inf")
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """Bring the parts up to date, unless somebody just did. Raises what `render` raises."""
        async with self._looking:
            if time.monotonic() - self._looked >= LOOK_S:
                self._take(await asyncio.to_thread(self._render))
                self._looked = time.monotonic()

    def since(self, version: str | None) -> Update:
        """What changed after `version`; everything if that is None or not one of this feed's."""
        number = self._number_of(version or "")
        parts = {name: text for name, (changed, text) in self._parts.items() if changed > number}
        return Update(f"{self._origin}-{self._number}", parts)

    async def updates(self, version: str | None, heartbeat_s: float) -> AsyncIterator[Update | None]:
        """What somebody who has `version` needs next, as it comes; None after every `heartbeat_s` without anything.

        Raises what `render` raises.
        """
        quiet_since = float("-inf")
        while True:
            await self.look()
            update = self.since(version)
            version = update.version
            if update.parts or time.monotonic() - quiet_since >= heartbeat_s:
                quiet_since = time.monotonic()
                yield update if update.parts else None
            await asyncio.sleep(LOOK_S)

    def _take(self, parts: Parts) -> None:
        """Note what changed; a part that is gone becomes empty. That time goes by is no change."""
        texts = dict.fromkeys(self._parts, Markup("")) | {name: shown(text) for name, text in parts.items()}
        steady = {name: _TICKING.sub(r"\1", text) for name, text in texts.items()}
        changed = {name for name, text in steady.items() if self._steady.get(name) != text}
        self._number += bool(changed)
        for name, text in texts.items():
            number = self._number if name in changed else self._parts[name][0]
            self._parts[name] = number, text
        self._steady = steady

    def _number_of(self, version: str) -> int:
        origin, _, digits = version.rpartition("-")
        if origin != self._origin or not (digits.isascii() and digits.isdecimal()):
            return 0
        return number if (number := int(digits[:9])) <= self._number else 0


class Feeds:
    """The feeds of all pages that are open; `origin` tells this server from an earlier one."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._made = 0
        self._feeds: dict[Hashable, Feed] = {}

    def feed(self, key: Hashable, render: Callable[[], Render]) -> Feed:
        """The feed of a page; `render` makes what renders it. The one that was used longest ago is forgotten.

        Whoever still watches a forgotten feed keeps it up to date.
        """
        feed = self._feeds.pop(key, None) or self._new(render())
        self._feeds[key] = feed
        if len(self._feeds) > MOST_FEEDS:
            del self._feeds[next(iter(self._feeds))]
        return feed

    def _new(self, render: Render) -> Feed:
        self._made += 1
        return Feed(render, f"{self._origin}-{self._made}")
