"""What one coding agent has to say about itself, so that the driver can run and judge it (SPEC 6).

A backend is one small file with a class of this shape, and one row in the table of `pitboss.agents`. It
builds a command and reads output; starting, stopping, limits, prices and records are the driver's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from pitboss.agents.reader import Reader
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent is started: its program, what it reads, and how it likes to be stopped.

    `env` is added to the request's environment, and so is `env_defaults` where the user has not set the
    variable (how updates and telemetry are switched off). With `split_stderr` stderr goes to a file beside the
    transcript, so that it cannot tear the lines of stdout apart. `polite_signal` comes before TERM. `older_argv` is
    for versions that refuse an option of `argv`; None where all versions that work know them.
    """

    argv: tuple[str, ...]
    older_argv: tuple[str, ...] | None = None
    stdin: bytes = b""
    env: dict[str, str] = {}
    env_defaults: dict[str, str] = {}
    split_stderr: bool = False
    polite_signal: int | None = None


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
    def known_version(self) -> str | None:
        """The version it was tested with, as `1.2.3`; None for a program of the user's own."""
        ...

    @property
    def oldest_version(self) -> str | None:
        """The oldest version that prints what the reader reads; None when that is not known."""
        ...

    @property
    def resumable(self) -> bool:
        """Whether `launch` can go on with `request.resume`; the engine starts others anew in the same tree."""
        ...

    @property
    def uses_model(self) -> bool:
        """Whether it may cost something, so that what is lost of its output may have."""
        ...

    def binary(self, settings: AgentSettings) -> str:
        """The program to start; raises StartError when the settings name none."""
        ...

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """How to start it on `request`, or to go on with `request.resume`.

        Raises StartError when there is nothing it could do.
        """
        ...

    def reader(self, request: AgentRequest) -> Reader:
        """A fresh reader of the output of one start."""
        ...
