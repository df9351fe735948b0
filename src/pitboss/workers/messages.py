"""The messages between runner and worker about one session: values, some with bytes beside them (SPEC 14).

The runner says who the session is (`Begin`), then makes one call after another. A worker answers each call once;
meanwhile it sends news. Both send a `Beat` now and then: a side that hears nothing for `lost_after_s` seconds gives
the other up.
"""

from __future__ import annotations

import msgspec

from pitboss.core.agent import AgentEvent, AgentOrder, AgentOutcome
from pitboss.core.config import Config
from pitboss.core.diff_stat import DiffStat
from pitboss.core.session import Assignment, Landing
from pitboss.core.stops import StopRequest
from pitboss.core.user_commands import HookRequest, HookResult, TestCommand, TestResult
from pitboss.typed import from_json
from pitboss.workers.clone_settings import CloneSettings

VERSION = 5
"""The version of these messages."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Any message."""


# Messages of the runner


class Begin(Message, frozen=True, kw_only=True):
    """Begin a session, which happens only once; beside it, its notes.

    `repository` is what the worker calls its clone, `object_format` that of the runner's repository.
    """

    run_id: str
    attempt: int
    assignment: Assignment
    repository: str
    object_format: str
    config: Config
    lost_after_s: float
    clone: CloneSettings = CloneSettings()


class Recover(Message, frozen=True, kw_only=True):
    """What is left of a session that was lost? Answered by `Leftovers`."""

    run_id: str
    seq: int
    attempt: int


class Delivered(Message, frozen=True, kw_only=True):
    """What `Leftovers` brought is safe in the runner's repository."""


class Prepare(Message, frozen=True, kw_only=True):
    """Make the place ready; beside it, the commits that the worker lacks. Answered by `Ready`.

    `boundary` is where a shallow repository ends. If `fetch` is a ref, they are on the remote instead.
    """

    boundary: tuple[str, ...] = ()
    fetch: str | None = None


class Provision(Message, frozen=True, kw_only=True):
    """Copy what git does not bring. Answered by `Provisioning`."""


class Provisioned(Message, frozen=True, kw_only=True):
    """The set-up is over. Answered by `Done`."""


class RunAgent(Message, frozen=True, kw_only=True):
    """Run an agent. News: `AgentStarted`, `Stepped`. Answered by `AgentEnded`."""

    order: AgentOrder


class RunHook(Message, frozen=True, kw_only=True):
    """Run a hook. Answered by `HookEnded`."""

    hook: HookRequest


class FindTests(Message, frozen=True, kw_only=True):
    """Find the project's tests. Answered by `TestsFound`."""


class RunTests(Message, frozen=True, kw_only=True):
    """Run the tests. Answered by `Tested`."""

    tests: TestCommand | None
    kind: str


class CommitWork(Message, frozen=True, kw_only=True):
    """Commit the session's work. Answered by `Committed`, and beside that the commits."""

    message: str


class CatchUp(Message, frozen=True, kw_only=True):
    """Merge what landed since into the tree: `tip`, and beside it the commits. Answered by `CaughtUp`.

    If `fetch` is a ref, they are on the remote instead.
    """

    message: str
    tip: str
    fetch: str | None = None


class Send(Message, frozen=True, kw_only=True):
    """Send commits of the session, which the remote did not bring. Answered by `Sent`, and beside that the commits."""

    commits: tuple[str, ...]


class Rescue(Message, frozen=True, kw_only=True):
    """Keep the session's work. Answered by `Kept`, and beside that the commits."""


class Release(Message, frozen=True, kw_only=True):
    """The session no longer needs its place. Answered by `Done`."""


class Halt(Message, frozen=True, kw_only=True):
    """End what a call runs, the `nth` of the session, counted from 1; it may be over by the time this arrives."""

    nth: int
    why: StopRequest


# Messages of a worker


class Begun(Message, frozen=True, kw_only=True):
    """The session is noted as begun; `has` are commits of the repository that are there already."""

    has: tuple[str, ...] = ()


class Leftovers(Message, frozen=True, kw_only=True):
    """What is left of a session, and beside it the commits; `is_over` is false while it is still being ended.

    `aside` is the folder on the worker where all of it stays, as git there could not keep it.
    """

    tips: tuple[str, ...] = ()
    is_over: bool = True
    aside: str | None = None


class Ready(Message, frozen=True, kw_only=True):
    """The place is ready; false if it still needs provisioning.

    Or nothing was done, as commits are missing: `lacks` says why the remote did not bring them.
    """

    ready: bool
    lacks: str | None = None


class Provisioning(Message, frozen=True, kw_only=True):
    """What to warn of after `Provision`, and by which names the worker `lacks` everything that was to be copied."""

    warnings: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class Sent(Message, frozen=True, kw_only=True):
    """The commits, beside this."""


class Done(Message, frozen=True, kw_only=True):
    """The call is done."""


class AgentEnded(Message, frozen=True, kw_only=True):
    """How an agent ended."""

    outcome: AgentOutcome


class HookEnded(Message, frozen=True, kw_only=True):
    """How a hook ended."""

    result: HookResult


class TestsFound(Message, frozen=True, kw_only=True):
    """The tests that were found."""

    tests: TestCommand | None


class Tested(Message, frozen=True, kw_only=True):
    """How the tests ended."""

    result: TestResult


class Committed(Message, frozen=True, kw_only=True):
    """What was committed. `rescued` are commits that were kept beside it, `whole` says that there is no more.

    If there are `pushed` refs, the commits are on the remote; `trouble` says why they are not.
    """

    landing: Landing
    whole: bool
    pushed: tuple[str, ...] = ()
    trouble: str | None = None
    rescued: tuple[str, ...] = ()
    diff: DiffStat | None = None


class CaughtUp(Message, frozen=True, kw_only=True):
    """Whether it could be merged; not if commits are missing, and `lacks` says why the remote did not bring them."""

    merged: bool
    lacks: str | None = None


class Kept(Message, frozen=True, kw_only=True):
    """What was kept."""

    landing: Landing
    tips: tuple[str, ...] = ()


class Failed(Message, frozen=True, kw_only=True):
    """The call failed; `kind` is "refused" if the session does not begin here, or "git", "storage", "start"."""

    kind: str
    text: str
    hint: str | None = None


# News


class AgentStarted(Message, frozen=True, kw_only=True):
    """An agent has started."""

    pid: int
    pid_started: int | None


class Stepped(Message, frozen=True, kw_only=True):
    """An agent has done something."""

    event: AgentEvent


class Grown(Message, frozen=True, kw_only=True):
    """A transcript has grown by the bytes beside this."""

    kind: str


class Written(Message, frozen=True, kw_only=True):
    """A file of the session is now as beside this: `summary`, `notes`, or `usage` of a `kind`."""

    name: str
    kind: str = ""


class SkipAsked(Message, frozen=True, kw_only=True):
    """The session's skip file has appeared."""


class Beat(Message, frozen=True, kw_only=True):
    """A sign of life."""


class CargoPiece(Message, frozen=True, kw_only=True):
    """A piece of what travels beside the next message, and is too large to travel at once. Answered by `PieceTaken`."""


class PieceTaken(Message, frozen=True, kw_only=True):
    """A piece is on disk: there is room for another one."""


Call = (
    Prepare
    | Provision
    | Provisioned
    | RunAgent
    | RunHook
    | FindTests
    | RunTests
    | CommitWork
    | Send
    | CatchUp
    | Rescue
    | Release
)
Carrying = Beat | CargoPiece | PieceTaken
"""What keeps a connection going."""

FromRunner = Begin | Recover | Delivered | Call | Halt | Carrying
Answer = (
    Begun
    | Leftovers
    | Ready
    | Provisioning
    | Sent
    | Done
    | AgentEnded
    | HookEnded
    | TestsFound
    | Tested
    | Committed
    | CaughtUp
    | Kept
    | Failed
)
News = AgentStarted | Stepped | Grown | Written | SkipAsked
FromWorker = Answer | News | Carrying


def encoded(message: Message) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(message)


def from_runner(data: bytes) -> FromRunner:
    """What the runner said. Raises what `msgspec.json.decode` raises."""
    said: FromRunner = from_json(data, FromRunner)  # type: ignore[arg-type]
    return said


def from_worker(data: bytes) -> FromWorker:
    """What a worker said. Raises what `msgspec.json.decode` raises."""
    said: FromWorker = from_json(data, FromWorker)  # type: ignore[arg-type]
    return said
