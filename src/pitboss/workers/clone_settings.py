"""Copies git settings, hooks and ignore rules to a clone, so that sessions commit there as at home (SPEC 14)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.core.redact import Secrets
from pitboss.git.committer import COMMIT_HOOKS
from pitboss.git.ignore_rules import ExcludeFiles
from pitboss.git.repo import NO_HOOKS
from pitboss.store.files import make_directory, read_regular, write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.git.repo import Repo

CARRIED = frozenset(
    {
        "apply.whitespace",
        "core.autocrlf",
        "core.commentchar",
        "core.eol",
        "core.filemode",
        "core.safecrlf",
        "core.symlinks",
        "core.whitespace",
        "diff.algorithm",
        "diff.renames",
        "merge.conflictstyle",
        "merge.renames",
        "user.email",
        "user.name",
    }
)
"""Settings that travel, from wherever the user has them; none of them names a program, a file or a secret."""

_ORIGIN = "remote.origin.url"
"""Where submodules are found whose URLs are relative, and tools look for the project."""

_USER = lazy_pattern(r"^(https?://)[^/]*@")
_PASSWORD = lazy_pattern(r"^[^/]+://[^/@:]*:[^/]*@")
_ELSEWHERE = lazy_pattern(r"^(/|[^-/:][^/:]*:(?!:))")
"""A path from the root, or a URL: a relative path is another one in a clone, and `ext::` names a program."""

HOOK_LIMIT = 64 * 1024
"""Bytes of a hook; a larger one stays at home."""

_FILE = "pitboss-settings"
_LFS = {
    "filter.lfs.clean": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "filter.lfs.smudge": "",
}
"""Whatever Git LFS stores would stay on the worker, so its files are pointers there, and new ones go into git."""


class CloneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings by key, the commit hooks of git by name, and what git ignores by rules that are not in git."""

    settings: dict[str, str] = {}
    hooks: dict[str, str] = {}
    ignored: bytes = b""


def settings_of(repo: Repo) -> CloneSettings:
    """The settings, hooks and ignore rules that clones of a repository take over. Raises GitError.

    Hooks in a folder that is in git come with the commits; others are read, unless they are not text.
    """
    ignored = ExcludeFiles().now(repo).text
    listed = os.fsdecode(repo.git("config", "--list", "-z")).split("\0")
    every = dict(map(_setting, filter(None, listed)))
    carried = _carried(every)
    folder = Path(every.get("core.hookspath") or repo.common_dir / "hooks").expanduser()
    if not folder.is_absolute():
        return CloneSettings(settings=carried | {"core.hookspath": str(folder)}, ignored=ignored)
    return CloneSettings(settings=carried, hooks=_scripts(folder), ignored=ignored)


def filters_in_use(repo: Repo) -> tuple[str, ...]:
    """The filters of the user that tracked files go through; being programs, they stay at home. Raises GitError."""
    asked = ("config", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$")
    keys = os.fsdecode(repo.git(*asked, ok=(0, 1))).split("\0")
    names = sorted({key.partition(".")[2].rpartition(".")[0] for key in filter(None, keys)})
    return tuple(name for name in names if repo.git("ls-files", "-z", "--", f":(attr:filter={name})"))


def take_over(clone: Repo, found: CloneSettings) -> None:
    """Apply to a clone what `settings_of` found. Raises GitError, StorageError."""
    folder = clone.common_dir / "hooks"
    make_directory(folder)
    for name in COMMIT_HOOKS:
        (folder / name).unlink(missing_ok=True)
    for name in sorted({*COMMIT_HOOKS} & {*found.hooks}):
        write_atomic(folder / name, found.hooks[name].encode(errors="surrogateescape"))
        (folder / name).chmod(0o755)
    make_directory(clone.common_dir / "info")
    write_atomic(clone.common_dir / "info" / "exclude", found.ignored)
    carried = _carried(found.settings)
    hooks = found.settings.get("core.hookspath", str(folder))
    wanted = {**carried, **_LFS, "core.hookspath": hooks}
    write_atomic(clone.common_dir / _FILE, os.fsencode(_written(wanted)))
    clone.git(*NO_HOOKS, "config", "--replace-all", "include.path", _FILE)


def _carried(every: Mapping[str, str]) -> dict[str, str]:
    carried = {key: value for key, value in every.items() if key in CARRIED}
    origin = _USER.sub(r"\1", every.get(_ORIGIN, ""))  # on the web, a user may be a token
    is_open = _ELSEWHERE.match(origin) and not _PASSWORD.match(origin) and Secrets().redact(origin) == origin
    return carried | {_ORIGIN: origin} if is_open else carried


def _setting(entry: str) -> tuple[str, str]:
    """A key and its value; git takes a key without a value as true."""
    key, given, value = entry.partition("\n")
    return key, value if given else "true"


def _scripts(folder: Path) -> dict[str, str]:
    runnable = (folder / name for name in COMMIT_HOOKS if os.access(folder / name, os.X_OK))
    read = ((path.name, read_regular(path.resolve(), HOOK_LIMIT)) for path in runnable)
    return {name: data.decode() for name, data in read if data is not None and _is_text(data)}


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _written(settings: Mapping[str, str]) -> str:
    """A config file. Values are quoted: they may hold anything."""
    lines = []
    for key, value in sorted(settings.items()):
        section, _, name = key.rpartition(".")
        first, _, second = section.partition(".")
        heading = f'[{first} "{second}"]' if second else f"[{first}]"
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines += [heading, f'\t{name} = "{quoted}"']
    return "\n".join([*lines, ""])
