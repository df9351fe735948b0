"""Finds the project for commands that do not run git, and creates files from templates (SPEC 2, 8)."""

from __future__ import annotations

import os
from pathlib import Path

from pitboss.errors import FULL, CommandError

_TEMPLATES = Path(__file__).parents[1] / "templates"


def in_git(folder: Path) -> bool:
    """Whether `folder` is the top of a git working tree."""
    return (folder / ".git").exists()


def project_root() -> Path:
    """The top of the git working tree around the current folder; the current folder if there is none.

    Inside `.pitboss`, where parallel sessions work, that is the project that contains `.pitboss`.
    """
    here = Path(str(Path.cwd()).partition(f"{os.sep}.pitboss{os.sep}")[0])
    return next((folder for folder in (here, *here.parents) if in_git(folder)), here)


def template(name: str) -> str:
    """The template for the file `name`."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def create(path: Path, text: str) -> None:
    """Write a new file, whole or not at all, and the folders it needs.

    Raises FileExistsError, OSError on a full disk, CommandError on any other failure.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, text)
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename == str(path):
            raise
        if error.errno in FULL:
            error.filename = str(path)
            raise
        raise CommandError(f"cannot create {path}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8", newline="\n") as stream:
        try:
            stream.write(text)
            stream.flush()
        except BaseException:  # half a file would be kept by whoever tries again
            path.unlink()
            raise
