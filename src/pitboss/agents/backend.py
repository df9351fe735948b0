"""What a coding agent must declare for the driver to run and judge it (SPEC 6).

A backend is a subclass of `Backend` in a file or folder of its own, and one row in `pitboss.agents.table`. It builds
command lines and reads output; starting, stopping, limits, prices and records are the driver's job.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from pitboss.agents.own_folders import folders_of
from pitboss.agents.programs import program_of, usual_program

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from pitboss.agents.reader import Reader
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings
    from pitboss.core.sandbox.ground import AgentFolders


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How to start an agent: its program, what it reads, and how to stop it politely.

    `file` is the path of a file that it reads, and its content; the driver writes it, and removes it afterwards.
    `env` is added to the request's environment. `env_defaults` is added unless the user has set the variable; it
    switches off updates and telemetry. `split_stderr` sends stderr to a file beside the transcript, so that it cannot
    tear lines of stdout apart. `polite_signal` comes before TERM. `older_argv` is for versions that refuse an option
    in `argv`; None if every version that works knows them all.
    """

    argv: tuple[str, ...]
    older_argv: tuple[str, ...] | None = None
    stdin: bytes = b""
    file: tuple[str, bytes] | None = None
    env: dict[str, str] = {}
    env_defaults: dict[str, str] = {}
    split_stderr: bool = False
    polite_signal: int | None = None


def stderr_path(request: AgentRequest) -> Path:
    """Where the stderr of an agent goes whose launch splits it off: beside its transcript, if it has one."""
    return Path(request.transcript or os.devnull).with_suffix(".stderr.log")


class Cost(StrEnum):
    """How an agent's cost is known: it says so, its tokens are priced, both, not at all, or there is none."""

    REPORTED = "reported"
    PRICED = "priced"
    EITHER = "reported or priced"
    UNKNOWN = "unknown"
    NONE = "none"


class RootRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why an agent would refuse to work as root, and what to do about it.

    `sure` is false for a program of the user's own, which may take care of this itself.
    """

    finding: str
    hint: str
    sure: bool


class Backend(ABC):
    """One kind of coding agent; only what has no default here must be declared."""

    name: str
    """Its name in config.toml and in prompts."""

    install: str
    """What to do when the program is missing."""

    log_in: str | None = None
    """How to log in, where nothing else tells."""

    cost: Cost = Cost.REPORTED
    """How its cost is known."""

    version_args: ClassVar[tuple[str, ...] | None] = ("--version",)
    """Arguments that make the program print its version; None if it cannot."""

    known_version: ClassVar[str | None] = None
    """The version it was tested with, as `1.2.3`; None for a program of the user's own."""

    oldest_version: ClassVar[str | None] = None
    """The oldest version whose output the reader understands; None if unknown."""

    resumable: ClassVar[bool] = False
    """Whether `launch` can resume a session; otherwise the engine starts over in the same tree."""

    session_lost: ClassVar[re.Pattern[str] | None] = None
    """What the CLI says when the session to resume is gone. The exit code is no help: opencode's is even 0."""

    uses_model: ClassVar[bool] = True
    """Whether it may cost something, so that lost output may mean lost costs."""

    runs_commands: ClassVar[bool] = True
    """Whether it can run commands; a trial does not ask one that only edits files to do so."""

    unattended: ClassVar[str | None] = None
    """The `permission_mode` in which it asks nothing, used unless another one is set; None if it has none."""

    key_variables: ClassVar[tuple[str, ...]] = ()
    """Variables holding an API key that is billed even if a `subscription` is logged in."""

    def binary(self, settings: AgentSettings) -> str:
        """The program to start; raises StartError if the settings name none."""
        return program_of(self.name, settings)

    def can_resume(self, settings: AgentSettings) -> bool:
        """Whether `launch` can resume a session with these settings."""
        del settings
        return self.resumable

    @abstractmethod
    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """How to start it on `request`, or to resume `request.resume`.

        Raises StartError if there is nothing it could do.
        """

    @abstractmethod
    def reader(self, request: AgentRequest) -> Reader:
        """A new reader for the output of one start."""

    def subscription(self, env: Mapping[str, str]) -> str | None:
        """The file or variable that holds a subscription's login; None if there is none."""
        del env
        return None

    def folders(self, env: Mapping[str, str]) -> AgentFolders:
        """What of its own it must be able to write inside a sandbox, and what it must not (SPEC 13)."""
        return folders_of(usual_program(self.name) or "", env)

    def root_refusal(
        self, settings: AgentSettings, env: Mapping[str, str], *, uid: int
    ) -> RootRefusal | None:
        """Why it would refuse to work for the user `uid` in the environment `env`; None if it would not."""
        del settings, env, uid
        return None
