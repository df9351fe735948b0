"""What one coding agent has to say about itself, so that the driver can run and judge it (SPEC 6).

A backend is one small file with a class of this shape, and one row in the table of `pitboss.agents`. It
builds a command and reads output; starting, stopping, limits, prices and records are the driver's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.core.agent import AgentEvent, AgentRequest
    from pitboss.core.config import AgentSettings


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent is started: its program, what it reads, and how it likes to be stopped.

    `env` is added to the request's environment. With `split_stderr` stderr goes to a file beside the
    transcript, so that it cannot tear the lines of stdout apart. `polite_signal` comes before TERM.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: dict[str, str] = {}
    split_stderr: bool = False
    polite_signal: int | None = None


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says it used so far: tokens by model, and its own idea of the cost, if it has one.

    `unreadable` says that it tried to report usage and failed, so that what it used is not known.
    """

    tokens: dict[str | None, Usage] = {}
    reported_usd: float | None = None
    unreadable: bool = False


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent that was not stopped went: its exit code and the last bytes of its complaints."""

    code: int | None
    complaints: bytes = b""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's judgement of such an ending; the fields are those of AgentOutcome.

    `cost_known` false: there is no telling what it used, whatever was seen of it.
    """

    status: SessionStatus = SessionStatus.OK
    reason: str | None = None
    resets_at: float | None = None
    cost_known: bool = True


class Reader(Protocol):
    """Reads one agent's output as it comes, cut anywhere; never raises, whatever the bytes."""

    model: str | None
    text: str | None
    finished: bool
    """Whether the agent has said its last word: from then on a cost cap stops nothing."""

    def feed(self, chunk: bytes) -> Iterable[AgentEvent]:
        """Take in more output; the events must be consumed."""
        ...

    def finish(self) -> Iterable[AgentEvent]:
        """Take note that the output has ended."""
        ...

    def spend(self) -> Spend:
        """What was used so far; cheap enough to ask several times a second."""
        ...

    def verdict(self, ending: Ending) -> Verdict:
        """Judge an agent that ended by itself."""
        ...


class Backend(Protocol):
    """One kind of coding agent."""

    @property
    def name(self) -> str:
        """Its name in config.toml and in prompts."""
        ...

    @property
    def install(self) -> str:
        """What to do when the program is not there."""
        ...

    @property
    def version_args(self) -> tuple[str, ...] | None:
        """Arguments that make the program print its version; None when it has none to print."""
        ...

    @property
    def uses_model(self) -> bool:
        """Whether it may cost something, so that what is lost of its output may have."""
        ...

    def binary(self, settings: AgentSettings) -> str:
        """The program to start; raises StartError when the settings name none."""
        ...

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """How to start it on `request`; raises StartError when there is nothing it could do."""
        ...

    def reader(self, request: AgentRequest) -> Reader:
        """A fresh reader of the output of one start."""
        ...
