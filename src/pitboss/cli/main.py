"""The door of the installed command: `--version` at once, everything else through click to an exit code (SPEC 8)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pitboss import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.errors import PitbossError

INTERRUPTED = 130
OUTPUT_CLOSED = 141
USAGE = 4
INTERNAL = 70
_MAKE_ROOM = "free some disk space, then try again"
_GO_THERE = (
    "go to a directory that exists: `cd` to the repository again, also if one was made anew in its place"
)
# Start-up makes many objects and no garbage: looking for some as often as Python does takes a twentieth of it.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> None:
    """Run the command line of this process and exit with its code."""
    _open_closed_streams()
    args = sys.argv[1:]
    if args == ["--version"]:
        sys.stdout.write(f"pitboss {__version__}\n")
        return
    sys.exit(run(args))


def run(args: list[str]) -> int:
    """Run one command and return its exit code; every failure is rendered here, none escapes.

    The integer a command returns is its exit code. 130 and 141 are what a shell reports for a process
    ended by SIGINT and SIGPIPE: Ctrl-C, and a reader such as `head` that has seen enough.
    """
    try:
        return _run(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return OUTPUT_CLOSED


def _run(args: list[str]) -> int:
    import gc
    import os

    from pitboss.core.environment import forget_others

    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    forget_others(os.environ)
    import click
    from click.shell_completion import shell_complete

    from pitboss.cli.group import COMPLETION_VARIABLE, pitboss
    from pitboss.cli.screen import install

    install()
    if question := os.environ.get(COMPLETION_VARIABLE):
        return shell_complete(pitboss, {}, "pitboss", COMPLETION_VARIABLE, question)
    verbose = False
    try:
        with pitboss.make_context("pitboss", args) as context:
            verbose = context.params["verbose"]
            result = pitboss.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        return _report(error, verbose=verbose)
    return result if isinstance(result, int) else 0


def reported(body: Callable[[], int], *, verbose: bool = False) -> int:
    """Run `body` and return its exit code; a failure is rendered and becomes the code that goes with it."""
    try:
        return body()
    except BrokenPipeError:
        raise
    except Exception as error:
        return _report(error, verbose=verbose)


def _report(error: Exception, *, verbose: bool) -> int:
    """Say what went wrong in the words made for it, and return the exit code that goes with it."""
    import click

    from pitboss.cli.output import render_error, render_internal_error, render_usage_error
    from pitboss.errors import PitbossError

    if isinstance(error, OSError):
        error = _foreseen(error) or error
        _settle_stdout()
    match error:
        case click.Abort():
            return INTERRUPTED
        case click.ClickException():
            render_usage_error(error)
            return USAGE
        case PitbossError():
            render_error(error, verbose=verbose)
            return error.exit_code
        case _:
            render_internal_error(error, verbose=verbose)
            return INTERNAL


def _foreseen(error: OSError) -> PitbossError | None:
    """What any command may meet: no room for what it prints, or a current folder that somebody deleted."""
    from errno import ENOENT

    from pitboss.errors import FULL, StartError, StorageError

    if error.errno in FULL:
        return StorageError(
            f"cannot write {error.filename or 'the output'}: {error.strerror}", hint=_MAKE_ROOM
        )
    if error.errno == ENOENT and error.filename is None:  # of getcwd alone
        return StartError("the current directory does not exist any more", hint=_GO_THERE)
    return None


def _open_closed_streams() -> None:
    """Give a standard stream that was closed (`>&-`) to /dev/null: else the next file opened takes its place."""
    import os

    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if fd == 0 else "w"
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != fd:
                os.dup2(opened, fd)
                os.close(opened)
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _settle_stdout() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _discard_stdout()


def _discard_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own flush at exit does not fail again."""
    import os

    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
