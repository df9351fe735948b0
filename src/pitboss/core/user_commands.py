"""The user's own commands around a session (hooks, tests): what a host is asked to run, and how it ended (SPEC 6)."""

from __future__ import annotations

import msgspec

from pitboss.core.stops import StopRequest


class HookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a hook: its shell `command`, and what it sees besides the session's own variables.

    `variables` are this hook's own PITBOSS_* variables; `passthrough` names those it inherits.
    """

    command: str
    variables: dict[str, str] = {}
    passthrough: tuple[str, ...] = ()
    timeout_s: float = 60.0


class HookResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a hook ended. `detail` says in words why it did not pass; `stop` is set when it was stopped."""

    passed: bool
    detail: str = ""
    stop: StopRequest | None = None


class TestCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A way to run the project's tests, and how it was found."""

    argv: tuple[str, ...]
    found_by: str

    __test__ = False

    def __str__(self) -> str:
        """The command as a person would type it."""
        import shlex

        return self.argv[-1] if self.argv[:2] == ("sh", "-c") else shlex.join(self.argv)


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """How the tests ended. `tail` is the last 40 lines printed, or why there are none; `failing` sums them up.

    `stop` is set when they were stopped from outside, which is no verdict on the work.
    """

    passed: bool
    tail: str = ""
    failing: str | None = None
    found: bool = True
    stop: StopRequest | None = None

    __test__ = False
