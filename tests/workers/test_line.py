"""What runner and worker say to each other arrives in order, and a lost connection is noticed (SPEC 14)."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.core.announced_stop import AnnouncedStop
from pitboss.core.host import HostLost
from pitboss.core.stops import StopRequest
from pitboss.core.user_commands import HookRequest, HookResult
from pitboss.engine.bell import Bell
from pitboss.git.packs import IN_MEMORY, Parcel
from pitboss.landing.git_trouble import GitFailed
from pitboss.store.paths import RunPaths
from pitboss.workers import messages as say
from pitboss.workers.background_loop import BackgroundLoop
from pitboss.workers.home_files import HomeFiles
from pitboss.workers.line import Heard, WorkerLine
from pitboss.workers.wire import PIECE, WINDOW, Closed, Wire
from tests.support.cli import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOOK = say.RunHook(hook=HookRequest(command="true"))


class Pipe:
    """One end of a connection in memory, as dask's are used: closed when either side ends."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[list[bytes] | None] = asyncio.Queue()
        self.most = 0
        """How many bytes were on their way at once."""
        self.other = self

    async def write(self, message: list[bytes]) -> None:
        waiting = list(self.other.inbox._queue)  # type: ignore[attr-defined]
        self.most = max(self.most, sum(len(part) for each in (*waiting, message) if each for part in each))
        await self.other.inbox.put(message)

    async def read(self) -> list[bytes]:
        if (message := await self.inbox.get()) is None:
            raise OSError("closed")
        return message

    def abort(self) -> None:
        self.other.inbox.put_nowait(None)


class Ends:
    """The runner's line and the worker's wire, connected."""

    def __init__(
        self,
        loop: BackgroundLoop,
        paths: RunPaths,
        lost_after_s: float,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.loop, self.folder = loop, paths.repo
        home, away = loop.run(self._connect(lost_after_s))
        self.line = WorkerLine("rack", home, HomeFiles(paths, 1), heard=Heard(gives_up=warn))
        self.wire: Wire[say.FromRunner] = away

    async def _connect(self, lost_after_s: float) -> tuple[Any, Any]:
        one, two = self.pipes = Pipe(), Pipe()
        one.other, two.other = two, one
        loop = asyncio.get_running_loop()
        home = Wire(one, loop, say.from_worker, lost_after_s=lost_after_s, folder=self.folder)
        away = Wire(two, loop, say.from_runner, lost_after_s=lost_after_s)
        self._tasks = [asyncio.ensure_future(wire.serve()) for wire in (home, away)]
        return home, away

    def heard(self) -> say.FromRunner:
        """What the worker hears next."""
        while (found := self.wire.take(1.0)) is None:
            pass
        return found[0]


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    paths = RunPaths(tmp_path, "20261126T113855Z-c205")
    paths.transcripts.mkdir(parents=True)
    return paths


@pytest.fixture
def ends(paths: RunPaths) -> Iterator[Ends]:
    loop = BackgroundLoop()
    yield Ends(loop, paths, lost_after_s=60.0)
    loop.close()


def test_an_answer_comes_after_the_news_and_files_go_where_the_engine_reads_them(
    ends: Ends, paths: RunPaths
) -> None:
    ends.wire.put(say.Grown(kind="hooks"), b"one ")
    ends.wire.put(say.AgentStarted(pid=7, pid_started=8))
    ends.wire.put(say.Grown(kind="hooks"), b"two")
    ends.wire.put(say.Written(name="summary"), b"all of it")
    ends.wire.put(say.HookEnded(result=HookResult(passed=True)))
    news: list[say.FromWorker] = []
    answer, _ = ends.line.ask(HOOK, say.HookEnded, news=news.append)
    assert answer.result.passed
    assert news == [say.AgentStarted(pid=7, pid_started=8)]
    assert paths.transcript(1, "hooks").read_bytes() == b"one two"
    assert paths.summary(1).read_bytes() == b"all of it"
    assert ends.heard() == HOOK


def test_a_wish_to_end_a_call_names_that_call_for_it_may_arrive_after_its_end(ends: Ends) -> None:
    def wish() -> StopRequest:
        ends.wire.put(say.HookEnded(result=HookResult(passed=True)))
        return StopRequest.SKIP

    ends.line.ask(HOOK, say.HookEnded, stop=wish)
    ends.wire.put(say.TestsFound(tests=None))
    ends.line.ask(say.FindTests(), say.TestsFound)
    assert [ends.heard() for _ in range(3)] == [
        HOOK,
        say.Halt(nth=1, why=StopRequest.SKIP),
        say.FindTests(),
    ]


class Announced:
    """A wish to end what runs, announced by a bell; `looks` counts how often somebody asked for it."""

    def __init__(self, due_s: float = inf) -> None:
        self.bell, self.looks = Bell(), 0
        self.wish: StopRequest | None = None
        self.stop = AnnouncedStop(self._look, self.bell.calling, lambda: due_s)

    def _look(self) -> StopRequest | None:
        self.looks += 1
        return self.wish

    def make(self, wish: StopRequest) -> None:
        self.wish = wish
        self.bell.ring()


def test_nobody_looks_whether_a_call_is_to_end_until_that_is_announced(ends: Ends) -> None:
    wanted = Announced()

    def end() -> None:
        assert wanted.looks == 1  # after the first news
        for _ in range(3):
            wanted.make(StopRequest.SKIP)
        asyncio.get_running_loop().call_later(0.3, answer)

    def answer() -> None:
        wanted.bell.ring()  # nobody hears it any longer
        ends.wire.put(say.HookEnded(result=HookResult(passed=True)))

    ends.wire.put(say.AgentStarted(pid=7, pid_started=8))
    ends.loop.soon(lambda: asyncio.get_running_loop().call_later(0.5, end))
    ends.line.ask(HOOK, say.HookEnded, stop=wanted.stop)
    assert [ends.heard(), ends.heard()] == [HOOK, say.Halt(nth=1, why=StopRequest.SKIP)]
    assert wanted.looks == 2


@pytest.mark.parametrize("was_due", [True, False])
def test_a_wish_from_before_the_call_is_noticed_and_so_is_one_that_time_alone_makes(
    ends: Ends, *, was_due: bool
) -> None:
    wanted = Announced(due_s=0.2)
    wanted.wish = StopRequest.ABORT if was_due else None

    def answer() -> None:
        ends.wire.put(say.HookEnded(result=HookResult(passed=True)))

    def make() -> None:
        wanted.wish = StopRequest.ABORT

    ends.loop.soon(lambda: asyncio.get_running_loop().call_later(0.3, make))
    ends.loop.soon(lambda: asyncio.get_running_loop().call_later(1.5, answer))
    ends.line.ask(HOOK, say.HookEnded, stop=wanted.stop)
    assert [ends.heard(), ends.heard()] == [HOOK, say.Halt(nth=1, why=StopRequest.ABORT)]


def test_a_nudge_is_taken_once_however_many_there_were(ends: Ends) -> None:
    for _ in range(3):
        ends.wire.nudge()
    ends.line.say(HOOK)
    assert ends.wire.take(1.0) is None
    assert ends.heard() == HOOK
    ends.wire.nudge()
    assert ends.wire.take(1.0) is None


def test_what_a_listener_raises_is_raised_once_the_call_has_been_ended(ends: Ends) -> None:
    def broken(_said: say.FromWorker) -> None:
        raise ValueError("no room")

    ends.wire.put(say.AgentStarted(pid=7, pid_started=8))

    def answer() -> None:
        ends.wire.put(say.HookEnded(result=HookResult(passed=True)))

    ends.loop.soon(lambda: asyncio.get_running_loop().call_later(0.3, answer))
    with pytest.raises(ValueError, match="no room"):
        ends.line.ask(HOOK, say.HookEnded, news=broken)
    assert [ends.heard(), ends.heard()] == [HOOK, say.Halt(nth=1, why=StopRequest.ABORT)]


@pytest.mark.parametrize(("kind", "error"), [("git", GitFailed), ("refused", HostLost)])
def test_a_failure_is_raised_as_what_it_is(ends: Ends, kind: str, error: type[Exception]) -> None:
    ends.wire.put(say.Failed(kind=kind, text="it broke"))
    with pytest.raises(error):
        ends.line.ask(HOOK, say.HookEnded)


def test_a_worker_without_room_is_lost_and_says_why(paths: RunPaths) -> None:
    loop, warned = BackgroundLoop(), list[str]()
    ends = Ends(loop, paths, lost_after_s=60.0, warn=warned.append)
    ends.wire.put(say.Failed(kind="storage", text="cannot write x: No space left on device"))
    with pytest.raises(HostLost, match="worker rack lost"):
        ends.line.ask(HOOK, say.HookEnded)
    assert warned == ["worker rack gives the session up: cannot write x: No space left on device"]
    with suppress(Closed):
        while True:
            ends.wire.take(1.0)
    loop.close()


def test_whoever_waits_for_a_side_that_has_gone_learns_of_it(ends: Ends) -> None:
    ends.wire.close()
    with pytest.raises(HostLost, match="worker rack lost"):
        ends.line.ask(HOOK, say.HookEnded)
    with suppress(Closed):
        while True:
            ends.wire.take(1.0)


def test_what_is_large_travels_in_pieces_of_which_few_are_on_their_way_and_arrives_whole(
    ends: Ends, tmp_path: Path
) -> None:
    parcel = Parcel(folder=tmp_path)
    chunks = [bytes([nth % 251]) * 100_000 for nth in range(300)]
    for chunk in chunks:
        parcel.add(chunk)
    assert parcel.is_large
    ends.wire.put(say.CaughtUp(merged=True), parcel)
    ends.wire.put(say.Grown(kind="hooks"), b"after it")
    ends.wire.put(say.HookEnded(result=HookResult(passed=True)))
    _, arrived = ends.line.ask(HOOK, say.CaughtUp)
    with closing(arrived):
        assert (len(arrived), arrived.is_large, arrived.data) == (30_000_000, True, b"")
        assert b"".join(arrived.pieces(1_000_000)) == b"".join(chunks)
    assert ends.line.ask(HOOK, say.HookEnded)[1].data == b""
    assert ends.pipes[1].most <= (WINDOW + 1) * (PIECE + 1000)
    assert list(tmp_path.glob("tmp*")) == []


def test_a_file_arrives_whole_however_large_it_is(ends: Ends, paths: RunPaths) -> None:
    text = bytes(IN_MEMORY) + b"the end"
    ends.wire.put(say.Written(name="notes"), text)
    ends.wire.put(say.HookEnded(result=HookResult(passed=True)))
    ends.line.ask(HOOK, say.HookEnded)
    assert paths.notes(1).read_bytes() == text


def test_whoever_sends_something_large_is_not_kept_waiting_by_a_side_that_is_gone(
    ends: Ends, tmp_path: Path
) -> None:
    parcel = Parcel(bytes(IN_MEMORY), folder=tmp_path)
    for _ in range(WINDOW):
        parcel.add(bytes(PIECE))
    parcel.add(bytes(PIECE))
    ends.line.hang_up()
    wait_until(lambda: ends.wire.is_closed)
    ends.wire.put(say.CaughtUp(merged=True), parcel)
    with pytest.raises(Closed):
        ends.wire.take(1.0)
