"""Says how to get what is not part of a plain installation (SPEC 8)."""

from __future__ import annotations

from importlib.util import find_spec

from pitboss.errors import CommandError

_SCREENS = ("jinja2", "starlette", "textual", "uvicorn")


def need_screens(command: str) -> None:
    """Raise CommandError if what `command` needs of the extra `screens` is not installed."""
    missing = [name for name in _SCREENS if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"`pitboss {command}` needs the extra `screens`, which is not installed: {', '.join(missing)}",
            hint="install it beside pitboss: `pip install 'pitboss[screens]'`",
        )
