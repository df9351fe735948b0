"""This process's live commands, and the orphans they leave to it (SPEC 1.4).

The runner is a child subreaper: any descendant that loses its parent becomes the runner's own child. Looking at
one's own children costs microseconds; looking at every process on the machine costs milliseconds.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss import proctree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pitboss.process.spawning import Child


class Leaders:
    """The commands started here, which tells an inherited orphan from a child of our own; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._live: set[int] = set()
        self._starting: set[object] = set()
        self._buried_at = float("-inf")

    def spawn(self, start: Callable[[], Child]) -> Child:
        """Start a leader; a search for orphans that might see it first waits until it is registered."""
        ticket = object()
        with self._changed:
            self._starting.add(ticket)
        child = None
        try:
            child = start()
        finally:
            with self._changed:
                self._starting.discard(ticket)
                if child is not None:
                    self._live.add(child.pid)
                self._changed.notify_all()
        return child

    def forget(self, leader: int) -> None:
        """Note that the leader has been reaped and its tree ended."""
        with self._changed:
            self._live.discard(leader)

    def orphans_of(self, leader: int, marker: Mapping[str, str]) -> list[int]:
        """Live orphans in the leader's session, with its marker, or too old for any other live leader's tree.

        The last rule finds one that left the session and scrubbed its environment. If it could descend from two
        leaders, the one that ends last ends it.
        """
        orphans = list(self._strangers(proctree.inherited))
        others = self._start_times(besides=leader) if orphans else []
        return [
            pid
            for pid, facts in orphans
            if facts.session == leader
            or proctree.carries(pid, marker)
            or all(started > facts.started for started in others)
        ]

    def _strangers(self, look: Callable[[], list[int]]) -> Iterator[tuple[int, proctree.ProcessInfo]]:
        """Live orphans among the children that `look` finds; dead ones are reaped on the way."""
        if not proctree.is_subreaper():
            return
        own_session = os.getsid(0)
        with self._changed:
            children = look()
            leaders, starting = self._live.copy(), self._starting.copy()
            self._changed.wait_for(lambda: starting.isdisjoint(self._starting))
            # A leader that has ended meanwhile is not an orphan, nor is a process that has its pid by now.
            strangers = [pid for pid in children if pid not in leaders | self._live]
        for pid in strangers:
            facts = proctree.facts(pid)
            # Every leader has its own process session, so a child in ours was not started here.
            if facts is None or facts.session == own_session:
                continue
            if facts.zombie:
                _reap(pid)
            else:
                yield pid, facts

    def _start_times(self, *, besides: int) -> list[int]:
        """When the other live leaders started; they are not reaped yet, so their pids cannot have been reused."""
        with self._changed:
            found = [proctree.facts(pid) for pid in self._live if pid != besides]
        return [facts.started for facts in found if facts is not None]

    def bury(self, now: float, *, every_s: float) -> None:
        """Reap dead orphans, so that an agent that starts daemons does not fill the process table.

        Once in `every_s` seconds is enough, however many leaders there are: it looks at the children of every thread.
        """
        if now < self._buried_at + every_s:
            return
        self._buried_at = now
        for _ in self._strangers(lambda: proctree.children(os.getpid())):
            pass


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
