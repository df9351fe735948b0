"""The entry point: answers `--version` and `--help` at once; runs every other command to an exit code (SPEC 8)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # loading `typing` would take as long as --version does
    from types import SimpleNamespace
    from typing import NoReturn

# Start-up creates many objects and no garbage; collecting at Python's default rate takes 5 % of its time.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> NoReturn:
    """Run the command line of this process and exit with its code.

    It skips the interpreter's shutdown: nothing is left to clean up, and that would take 10 % of a short command's
    time.
    """
    _open_closed_streams()
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    rest = sys.modules.get("pitboss.cli.shared.afterwards")
    if rest is not None:
        rest.do_the_rest()
    os._exit(code)


def run(args: list[str]) -> int:
    """Run one command and return its exit code; every failure is rendered here and none escapes.

    The integer a command returns is its exit code.
    """
    try:
        text = _known_at_once(args)
        if text is not None:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            return 0
        _prepare()
        result = _carry_out(args)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        from pitboss.cli.shared.failures import render

        return render(error)
    return result if isinstance(result, int) else 0


def _known_at_once(args: list[str]) -> str | None:
    """The answer to a question that needs neither a command nor click."""
    if args == ["--version"]:
        from pitboss import __version__

        return f"pitboss {__version__}"
    if args in ([], ["-h"], ["--help"]):
        from pitboss.cli.shared.commands import COMPLETION_VARIABLE, help_page

        return None if os.environ.get(COMPLETION_VARIABLE) else help_page()
    return None


def _carry_out(args: list[str]) -> object:
    """Run one command, without click if the command line is plain."""
    from pitboss.cli.shared.commands import COMPLETION_VARIABLE, declared

    question = os.environ.get(COMPLETION_VARIABLE)
    found = declared(args[0]) if args and not question else None
    plain = found and found.plain_call(args[1:])
    if plain:
        return plain()
    from pitboss.cli.shared.group import answer, pitboss

    if question:
        return answer(question)
    with pitboss.make_context("pitboss", args) as context:
        return pitboss.invoke(context)


def _prepare() -> None:
    """Set up the process before anything large is loaded."""
    import gc

    from pitboss.core.environment import forget_others
    from pitboss.screens.terminal import install

    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    forget_others(os.environ)
    install()
    _load_lean()


def _load_lean() -> None:
    """Load msgspec and pathlib without modules that take as long as they do, and that they do not need.

    Without `typing_extensions` msgspec falls back to `typing`. Nobody here asks it for JSON schemas, for which it
    inspects types, and no type that it reads or writes has a UUID or a Decimal in it. pathlib quotes addresses by
    `urllib.parse`.
    """
    from types import SimpleNamespace

    no_schemas = SimpleNamespace(schema=None, schema_components=None)
    address = SimpleNamespace(quote_from_bytes=_quote)
    _load(
        "msgspec",
        {
            "typing_extensions": None,
            "uuid": SimpleNamespace(UUID=_NotHere, SafeUUID=SimpleNamespace(unknown=None)),
            "decimal": SimpleNamespace(Decimal=_NotHere),
            "msgspec.inspect": SimpleNamespace(),
            "msgspec._json_schema": no_schemas,
        },
    )
    _load("pathlib", {"urllib": SimpleNamespace(parse=address), "urllib.parse": address})


class _NotHere:
    """Stands in for types of which there are no values."""


def _load(module: str, stands_in: dict[str, SimpleNamespace | None]) -> None:
    """Load a module with others in place of real ones that are not loaded yet; an import of None fails."""
    missing = {name: other for name, other in stands_in.items() if name not in sys.modules}
    if module in sys.modules:
        return
    sys.modules.update(missing)  # type: ignore[arg-type] # they are no modules
    try:
        __import__(module)
    finally:
        for name in missing:
            del sys.modules[name]


def _quote(address: bytes) -> str:
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(address)


def _open_closed_streams() -> None:
    """Connect closed standard streams (`>&-`) to /dev/null; otherwise the next file opened would take their place."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if fd == 0 else "w"
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != fd:
                os.dup2(opened, fd)
                os.close(opened)
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
