"""The types of command-line values, each built when click is loaded (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

    from pitboss.cli.shared.declare import Kind

NO_CAP = "none"
"""The word that lifts a cap on the command line."""


def whole(least: int, most: int | None = None) -> Kind:
    """A whole number from `least` to `most`."""

    def made() -> click.ParamType[Any]:
        from pitboss.cli.shared.kinds import Whole

        return Whole(least, most)

    return made


def money() -> click.ParamType[Any]:
    """US dollars."""
    from pitboss.cli.shared.kinds import Money

    return Money()


def moment() -> click.ParamType[Any]:
    """A time to stop at."""
    from pitboss.cli.shared.kinds import Until

    return Until()


def or_none(kind: Kind) -> Kind:
    """A value of another kind, or `none`."""

    def made() -> click.ParamType[Any]:
        from pitboss.cli.shared.kinds import OrNone

        return OrNone(kind(), NO_CAP)

    return made


def path() -> click.ParamType[Any]:
    """The path of a file or folder."""
    import pathlib

    import click

    return click.Path(path_type=pathlib.Path)


def folder() -> click.ParamType[Any]:
    """The path of a folder, which need not exist yet."""
    import pathlib

    import click

    return click.Path(path_type=pathlib.Path, file_okay=False)


def one_of(*words: str) -> Kind:
    """One of a few fixed words."""

    def made() -> click.ParamType[Any]:
        import click

        return click.Choice(words)

    return made
