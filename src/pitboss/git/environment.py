"""The environment of pitboss's git calls: whose settings, which identity, which repository (SPEC 1.6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIXED_WORDING = {"LC_ALL": "C"}
_SETTINGS_KEPT = frozenset(
    {
        "GIT_ASKPASS",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSL_CAINFO",
        "GIT_TEMPLATE_DIR",
    }
)
_INJECTED_SETTINGS = ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "GIT_SEQUENCE_EDITOR": "true",
    "GIT_PAGER": "cat",
    "GIT_OPTIONAL_LOCKS": "0",
}
_AS_STORED = {"GIT_NO_REPLACE_OBJECTS": "1"}
"""Objects as they are: an agent may have replaced one by another (`git replace`), or by itself: then git gives up."""


def of_the_user(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment minus what a git hook or an outer git command would make us act on."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("GIT_")}
    settings = {
        name: value
        for name, value in inherited.items()
        if name in _SETTINGS_KEPT or name.startswith(_INJECTED_SETTINGS)
    }
    return kept | settings | _QUIET | _AS_STORED


def pinned(root: Path, git_dir: Path, common_dir: Path) -> dict[str, str]:
    """Pin where git works, whatever `.git` and its config now say: agents can write to both.

    With all three given, git searches for no repository, and obeys neither `core.worktree` nor `core.bare`.
    """
    return {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(root), "GIT_COMMON_DIR": str(common_dir)}


def letters_count(common_dir: Path) -> dict[str, str]:
    """The setting that has git tell `readme` from `README` wherever the file system does.

    A repository copied from a Mac, or an agent, may say otherwise: git then overlooks one of the two. Git itself finds
    out in this way, too, when it makes a repository.
    """
    return {} if os.path.lexists(common_dir / "CoNfIg") else {"core.ignoreCase": "false"}


def as_git_has_it(root: Path, git_dir: Path) -> dict[str, str]:
    """The same for a command that runs the user's hooks: no more than git itself would show them.

    In a plain repository a hook that moves to another one finds no GIT_DIR set; in a worktree or submodule it does.
    """
    return {} if git_dir == root / ".git" else {"GIT_DIR": str(git_dir)}


def ceiling(folder: Path) -> str:
    """The GIT_CEILING_DIRECTORIES that keep git, at work in `folder`, from finding a repository above it."""
    above = os.path.realpath(folder.parent)
    return os.pathsep.join(filter(None, (above, os.environ.get("GIT_CEILING_DIRECTORIES"))))


def injected(settings: Mapping[str, str], *, after: Mapping[str, str]) -> dict[str, str]:
    """Settings as variables, after any that the user has injected the same way."""
    count = after.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdecimal() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for nth, (key, value) in enumerate(settings.items(), first):
        variables |= {f"GIT_CONFIG_KEY_{nth}": key, f"GIT_CONFIG_VALUE_{nth}": value}
    return variables


def identity(author: str) -> dict[str, str]:
    """Author and committer, given as `NAME <MAIL>`."""
    name, _, mail = author.partition("<")
    person = {"NAME": name.strip() or "pitboss", "EMAIL": mail.rstrip("> ").strip() or "pitboss@local"}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}
