"""The runner's end of one session's connection: calls the worker and takes in its news (SPEC 14)."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from pitboss.core.announced_stop import AnnouncedStop
from pitboss.core.host import HostLost
from pitboss.core.stops import StopRequest
from pitboss.errors import StartError
from pitboss.git.packs import Parcel
from pitboss.landing.git_trouble import GitFailed
from pitboss.workers.messages import Call, Failed, Halt, Message
from pitboss.workers.wire import Closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.workers.home_files import HomeFiles
    from pitboss.workers.messages import FromWorker
    from pitboss.workers.wire import Wire

LOOK_S = 0.1
"""Seconds between two checks whether the call must end, unless a stop announces itself."""

LONGEST_S = 3600.0
"""Seconds for which no check is needed."""

LOOKS_A_SECOND = 100
"""How many checks a second all sessions in flight make together: with more than ten sessions each checks less often."""

A = TypeVar("A", bound=Message)


def look_s(in_flight: int) -> float:
    """Seconds between two checks of one session, among so many in flight."""
    return max(LOOK_S, in_flight / LOOKS_A_SECOND)


def unstopped() -> StopRequest | None:
    """Nobody wants the call to end."""
    return None


class Heard(NamedTuple):
    """What is made of a worker: why it `gives_up` the session, or why it is `doubted`, the agent not having worked."""

    gives_up: Callable[[str], object] = lambda _: None
    doubted: Callable[[str], object] = lambda _: None


class WorkerLine:
    """Calls to the worker `name`, one at a time, for one session; its files come home through `files`.

    `rest_s` says for how long a session may rest between two looks; `heard` is told what goes wrong there.
    """

    def __init__(
        self,
        name: str,
        wire: Wire[FromWorker],
        files: HomeFiles,
        rest_s: Callable[[], float] = lambda: LOOK_S,
        heard: Heard = Heard(),  # noqa: B008 - immutable
    ) -> None:
        self.name = name
        self._heard = heard
        self.agent_worked = False
        self._wire = wire
        self._files = files
        self._rest_s = rest_s
        self._calls = 0

    def ask(
        self,
        call: Message,
        answer: type[A],
        beside: bytes | Parcel = b"",
        *,
        news: Callable[[FromWorker], object] = lambda _: None,
        stop: Callable[[], StopRequest | None] = unstopped,
    ) -> tuple[A, Parcel]:
        """Make a call; returns the answer, of a kind of `answer`, and what came beside it.

        Raises HostLost, also if the worker has no room; GitFailed or StartError if it met one. What `news` and `stop`
        raise is raised once the call has ended.
        """
        self._calls += isinstance(call, Call)
        self._wire.put(call, beside)
        with closing(_Hearing(news, stop, self._wire.nudge)) as hearing:
            while True:
                said, parcel = self._next(hearing.patience_s(self._rest_s))
                if isinstance(said, Failed):
                    raise hearing.error or self._failure(said)
                if isinstance(said, answer):
                    if hearing.error is not None:
                        raise hearing.error
                    return cast("A", said), parcel
                if said is not None and not self._files.take(said, parcel.data):
                    hearing.hear(said)
                if (why := hearing.wants_end()) is not None:
                    self._wire.put(Halt(nth=self._calls, why=why))

    def failed_early(self, why: str) -> None:
        """A hook failed, or an agent could not be started: before an agent has worked, the machine may be at fault."""
        if not self.agent_worked:
            self._heard.doubted(why)

    def say(self, message: Message) -> None:
        """Send a message that has no answer."""
        self._wire.put(message)

    def hang_up(self) -> None:
        """Close the connection."""
        self._wire.close()

    def _failure(self, said: Failed) -> Exception:
        match said.kind:
            case "refused":
                return HostLost(self.name)
            case "storage":
                self._heard.gives_up(f"worker {self.name} gives the session up: {said.text}")
                self.hang_up()
                return HostLost(self.name)
            case "git":
                return GitFailed(said.text)
            case _:
                return StartError(said.text, hint=said.hint)

    def _next(self, patience_s: float) -> tuple[FromWorker | None, Parcel]:
        try:
            return self._wire.take(patience_s) or (None, Parcel())
        except Closed:
            raise HostLost(self.name) from None


class _Hearing:
    """Whoever made a call: hears news of it and may want it to end, once.

    A stop that is announced calls `nudge`, in any thread, until it has ended the call.
    """

    def __init__(
        self,
        news: Callable[[FromWorker], object],
        stop: Callable[[], StopRequest | None],
        nudge: Callable[[], None],
    ) -> None:
        self._news = news
        self._stop = stop
        self._asked = self._ended = False
        self._called = ExitStack()
        self.error: BaseException | None = None
        if isinstance(stop, AnnouncedStop):
            self._called.enter_context(stop.calling(nudge))

    def close(self) -> None:
        """Nobody need call any longer."""
        self._called.close()

    def patience_s(self, rest_s: Callable[[], float]) -> float:
        """Seconds until it is asked again what it wants, if nothing is heard; `rest_s()` for one that does not call."""
        if self._ended:
            return LONGEST_S
        if not isinstance(self._stop, AnnouncedStop):
            return rest_s()
        # It may have called before anyone listened.
        return max(LOOK_S, min(self._stop.due_s(), LONGEST_S)) if self._asked else LOOK_S

    def hear(self, said: FromWorker) -> None:
        if self.error is None:
            try:
                self._news(said)
            except BaseException as error:
                self.error = error

    def wants_end(self) -> StopRequest | None:
        if self._ended:
            return None
        self._asked = True
        why = StopRequest.ABORT
        if self.error is None:
            try:
                asked = self._stop()
            except BaseException as error:
                self.error = error
            else:
                if asked is None:
                    return None
                why = asked
        self._ended = True
        self._called.close()
        return why
