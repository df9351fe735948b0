"""A repository in a temporary folder, where things are tried that must not touch the user's (SPEC 8)."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pitboss.errors import StartError
from pitboss.process import capture

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for trials, removed afterwards whatever was left in it."""
    with TemporaryDirectory(prefix="pitboss-probe-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def make_repository(folder: Path) -> Path:
    """A repository with one empty commit and without the user's hooks, templates and signatures. Raises StartError."""
    repository = folder / "repository"
    repository.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    own = (
        "user.name=pitboss",
        "user.email=pitboss@local",
        "commit.gpgSign=false",
        "core.hooksPath=/dev/null",
    )
    for command in (
        ["init", "--quiet", "--template="],
        ["commit", "--quiet", "--allow-empty", "-m", "Begin"],
    ):
        options = [part for each in own for part in ("-c", each)]
        answer = capture(["git", *options, *command], cwd=repository, env=env, timeout_s=60.0)
        if answer.code != 0:
            said = answer.stderr.decode(errors="replace").strip()
            raise StartError(f"cannot make a repository to try things in: {said}")
    return repository
