"""Every failure of a command in one place: its exit code, and what to say about it (SPEC 5, 8)."""

from __future__ import annotations

import sys
from contextlib import suppress
from errno import EAGAIN, ENOENT
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import FULL, NO_THREAD, SHORTAGES, InputError, PitbossError, StartError, StorageError
from pitboss.screens.output import Ink, note, paint

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
OUTPUT_CLOSED = 141
USAGE = 4
INTERNAL = 70

_MAKE_ROOM = "free some disk space, then try again"
_SAID_OF_THREADS = "can't start new thread"
_GO_THERE = (
    "go to a directory that exists: `cd` into the repository again, even if it was recreated at the same path"
)
_PLEASE_REPORT = "please report this with the output of the same command after `pitboss -v`"


class ToldToEnd(KeyboardInterrupt):
    """A signal arrived; it unwinds whatever Ctrl-C unwinds, since its children are deaf to both."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signum = signum


class Failure(msgspec.Struct, frozen=True):
    """What the user sees of a failure: an exit code, a line for each thing that is wrong, and what to do.

    `page` is a help page, printed instead of an error; `trace` means that the traceback helps.
    """

    code: int
    messages: tuple[str, ...] = ()
    hint: str | None = None
    page: str | None = None
    trace: bool = False


class _Manner:
    """How much to say about a failure."""

    verbose = False


def be_verbose() -> None:
    """From now on, print the cause of an error and the whole traceback of a bug."""
    _Manner.verbose = True


def exit_code(body: Callable[[], int]) -> int:
    """Run `body` and return its exit code; if it raises, render the failure and return the code for it."""
    try:
        return body()
    except (Exception, KeyboardInterrupt) as error:
        return render(error)


def render(error: BaseException) -> int:
    """Say what went wrong, `error: ...` and `hint: ...` on stderr, and return the exit code."""
    if isinstance(error, PitbossError) and error.hint and "RUN_ID" in error.hint:
        _name_run(error)
    failure = explain(error)
    try:
        _show(failure, error)
    except (BrokenPipeError, KeyboardInterrupt) as meanwhile:
        return explain(meanwhile).code
    return failure.code


def _name_run(error: PitbossError) -> None:
    """A command that does not know the run has most likely met what the latest one left."""
    from pitboss.cli.shared.chosen import name_latest_run
    from pitboss.cli.shared.project import project_root

    with suppress(OSError):
        name_latest_run(error, project_root())


def how_to_use(command: str = "") -> str:
    """The hint after a wrong command line; for pitboss itself if no command is named."""
    return f"`{f'pitboss {command}'.strip()} --help` shows how to use it"


def explain(error: BaseException) -> Failure:
    """Look the error up in the table of failures.

    130, 141 and 143 are what a shell reports for a process ended by SIGINT, SIGPIPE or SIGTERM: by Ctrl-C, because a
    reader (`head`) has seen enough, or by `kill`.
    """
    match error:
        case KeyboardInterrupt():
            return Failure(128 + error.signum if isinstance(error, ToldToEnd) else INTERRUPTED)
        case BrokenPipeError():
            return Failure(OUTPUT_CLOSED)
        case InputError():
            return Failure(error.exit_code, tuple(map(str, error.problems)), error.hint)
        case PitbossError():
            return Failure(error.exit_code, (error.message,), error.hint)
        case OSError() | RuntimeError() if (foreseen := _foreseen(error)) is not None:
            return explain(foreseen)
        case _:
            return _of_the_command_line(error) or _unforeseen(error)


def _foreseen(error: OSError | RuntimeError) -> PitbossError | None:
    """What can happen to any command: too little of something, or a deleted current directory."""
    if isinstance(error, RuntimeError):  # the number is lost
        return PitbossError(NO_THREAD, hint=_shortage(EAGAIN)) if str(error) == _SAID_OF_THREADS else None
    if error.errno in SHORTAGES and error.errno != EAGAIN:  # which may as well tell of a full pipe
        return PitbossError(str(error.strerror).lower(), hint=_shortage(error.errno))
    if error.errno in FULL:
        return StorageError(
            f"cannot write {error.filename or 'the output'}: {error.strerror}", hint=_MAKE_ROOM
        )
    if error.errno == ENOENT and error.filename is None:  # only from getcwd
        return StartError("the current directory no longer exists", hint=_GO_THERE)
    return None


def _shortage(number: int) -> str:
    return f"{SHORTAGES[number]}, then try again; `pitboss status` says how to go on with a run"


def _of_the_command_line(error: BaseException) -> Failure | None:
    """What click raises: bad usage, Ctrl-C at a prompt, or simply the end of the program."""
    import click

    match error:
        case click.exceptions.Exit():
            return Failure(error.exit_code)
        case click.Abort():
            return Failure(INTERRUPTED)
        case click.exceptions.NoArgsIsHelpError():
            return Failure(USAGE, page=error.format_message())
        case click.ClickException():
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "pitboss"
            said = " ".join(error.format_message().split())
            return Failure(USAGE, (said,), how_to_use(path.removeprefix("pitboss").strip()))
        case _:
            return None


def _unforeseen(error: BaseException) -> Failure:
    """A bug, or an unforeseen failure of the system."""
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return Failure(INTERNAL, (f"internal error: {what}",), _PLEASE_REPORT, trace=True)


def _show(failure: Failure, error: BaseException) -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    if _Manner.verbose and failure.trace:
        import traceback

        note("".join(traceback.format_exception(error)).rstrip())
    if failure.page is not None:
        note(failure.page)
    for message in failure.messages:
        note(f"{paint('error:', Ink.BAD, sys.stderr)} {message}")
    if failure.hint is not None:
        note(f"{paint('hint:', Ink.NAME, sys.stderr)} {failure.hint}")
    if _Manner.verbose and isinstance(error, PitbossError) and error.__cause__ is not None:
        note(f"cause: {type(error.__cause__).__name__}: {error.__cause__}")
