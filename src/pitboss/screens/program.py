"""How people call pitboss here, for commands that they are to type: by name if that finds it (SPEC 8)."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

NAME = "pitboss"


@cache
def program() -> tuple[str, ...]:
    """The words that call this pitboss: its name if it is the one on PATH, else as this process was called."""
    started = os.path.abspath(sys.argv[0])  # noqa: PTH100 - a link stays what it is called
    script = started if os.path.basename(started) == NAME else None  # noqa: PTH119
    here = os.path.realpath(script or os.path.join(os.path.dirname(sys.executable), NAME))  # noqa: PTH118, PTH120
    if _on_path() == here:
        return (NAME,)
    return (sys.executable, "-m", NAME) if script is None else (script,)


def as_called(command: str, stream: TextIO) -> str:
    """A command as it is to be typed; elsewhere than on a terminal by the name."""
    return _called() + command.removeprefix(NAME) if _differs(stream) else command


def with_calls(text: str, stream: TextIO) -> str:
    """A sentence of ours, the commands that it has in backticks as `as_called` writes them."""
    quoted = f"`{NAME} "
    return text.replace(quoted, f"`{_called()} ") if quoted in text and _differs(stream) else text


def screen_command(command: str) -> str:
    """`as_called` for a program that draws on the terminal: sys.stdout is something else meanwhile."""
    return command if sys.__stdout__ is None else as_called(command, sys.__stdout__)


def screen_calls(text: str) -> str:
    """`with_calls` for a program that draws on the terminal."""
    return text if sys.__stdout__ is None else with_calls(text, sys.__stdout__)


def _called() -> str:
    import shlex

    return shlex.join(program())


def _differs(stream: TextIO) -> bool:
    return stream.isatty() and program() != (NAME,)


def _on_path() -> str | None:
    """Where the name leads."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = (os.path.join(folder, NAME) for folder in folders if folder)  # noqa: PTH118
    first = next((path for path in found if os.access(path, os.X_OK)), None)
    return None if first is None else os.path.realpath(first)
