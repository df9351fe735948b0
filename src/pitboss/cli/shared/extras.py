"""Says what a screen needs that is not there: an extra of the installation, or a terminal (SPEC 8)."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from pitboss.errors import CommandError

_SCREENS = ("jinja2", "starlette", "textual", "uvicorn")


def need_screens(command: str, instead: str = "") -> None:
    """Raise CommandError if what `command` needs of the extra `screens` is not installed.

    `instead` says what works without.
    """
    missing = [name for name in _SCREENS if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"`pitboss {command}` needs the extra `screens`, which is not installed: {', '.join(missing)}",
            hint=f"install it beside pitboss: `pip install 'pitboss[screens]'`{instead}",
        )


def need_terminal(command: str, instead: str) -> None:
    """Raise CommandError if there is no terminal that `command` could draw on; `instead` says what works without."""
    if not has_terminal():
        more = " that can move its cursor, and TERM names none" if _is_on_a_terminal() else ""
        raise CommandError(f"`pitboss {command}` needs a terminal{more}", hint=instead)


def answered_yes(question: str) -> bool:
    """Ask on the terminal; no answer means no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def has_terminal() -> bool:
    """Whether there is a terminal to draw on and to read keys from."""
    return _is_on_a_terminal() and os.environ.get("TERM", "") not in ("", "dumb")


def _is_on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
