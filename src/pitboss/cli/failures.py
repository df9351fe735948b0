"""Every failure of a command in one place: its exit code, and what is said of it (SPEC 5, 8)."""

from __future__ import annotations

import sys
from contextlib import suppress
from errno import ENOENT
from typing import TYPE_CHECKING, NamedTuple

from pitboss.errors import FULL, InputError, PitbossError, StartError, StorageError
from pitboss.screens.output import Ink, note, paint

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
OUTPUT_CLOSED = 141
USAGE = 4
INTERNAL = 70

_MAKE_ROOM = "free some disk space, then try again"
_GO_THERE = (
    "go to a directory that exists: `cd` to the repository again, also if one was made anew in its place"
)
_PLEASE_REPORT = "please report this with the output of the same command after `pitboss -v`"


class Failure(NamedTuple):
    """What a failure means to whoever called: the exit code, a line for each thing that is wrong, and what to do.

    `page` is a help page, shown instead of an error; `trace` says that the traceback helps to mend it.
    """

    code: int
    messages: tuple[str, ...] = ()
    hint: str | None = None
    page: str | None = None
    trace: bool = False


class _Manner:
    """How much is said of a failure."""

    verbose = False


def be_verbose() -> None:
    """From now on say what an error came from, and of a bug the whole traceback."""
    _Manner.verbose = True


def exit_code(body: Callable[[], int]) -> int:
    """Run `body` and return its exit code; what it raises is rendered, and the code that goes with it returned."""
    try:
        return body()
    except (Exception, KeyboardInterrupt) as error:
        return render(error)


def render(error: BaseException) -> int:
    """Say what went wrong, `error: ...` and `hint: ...` on stderr, and return the exit code."""
    failure = explain(error)
    try:
        _show(failure, error)
    except (BrokenPipeError, KeyboardInterrupt) as meanwhile:
        return explain(meanwhile).code
    return failure.code


def explain(error: BaseException) -> Failure:
    """The table of failures.

    130 and 141 are what a shell reports for a process that SIGINT or SIGPIPE ended: Ctrl-C, and a reader such as
    `head` that has seen enough.
    """
    match error:
        case KeyboardInterrupt():
            return Failure(INTERRUPTED)
        case BrokenPipeError():
            return Failure(OUTPUT_CLOSED)
        case InputError():
            return Failure(error.exit_code, tuple(map(str, error.problems)), error.hint)
        case PitbossError():
            return Failure(error.exit_code, (error.message,), error.hint)
        case OSError() if (foreseen := _foreseen(error)) is not None:
            return explain(foreseen)
        case _:
            return _of_the_command_line(error) or _unforeseen(error)


def _foreseen(error: OSError) -> PitbossError | None:
    """What any command may meet: no room for what it prints, or a current folder that somebody deleted."""
    if error.errno in FULL:
        return StorageError(
            f"cannot write {error.filename or 'the output'}: {error.strerror}", hint=_MAKE_ROOM
        )
    if error.errno == ENOENT and error.filename is None:  # of getcwd alone
        return StartError("the current directory does not exist any more", hint=_GO_THERE)
    return None


def _of_the_command_line(error: BaseException) -> Failure | None:
    """What click raises: words that it does not understand, Ctrl-C at a question, or simply the end."""
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
            return Failure(USAGE, (error.format_message(),), f"`{path} --help` shows how to use it")
        case _:
            return None


def _unforeseen(error: BaseException) -> Failure:
    """A bug, or a failure of the system that nothing here expects."""
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
