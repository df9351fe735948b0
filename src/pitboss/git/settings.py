"""Compares two versions of a git config: what says where git writes or what it runs, and the rest (SPEC 1.6)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.git.environment import of_the_user
from pitboss.process import capture

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECTIONS = frozenset(
    (
        *("alias", "browser", "core", "credential", "diff", "difftool", "extensions", "filter"),
        *("gpg", "guitool", "hook", "http", "https", "imap", "include", "includeif", "init"),
        *("interactive", "lfs", "maintenance", "man", "merge", "mergetool", "pager", "protocol"),
        *("receive", "remote", "safe", "sendemail", "sequence", "ssh", "trailer", "transfer"),
        *("uploadpack", "url", "web"),
    )
)
_HARMLESS = frozenset(
    (
        *("core.abbrev", "core.autocrlf", "core.commentchar", "core.compression", "core.eol"),
        *("core.filemode", "core.ignorecase", "core.logallrefupdates", "core.precomposeunicode"),
        *("core.quotepath", "core.safecrlf"),
        *("core.untrackedcache", "core.whitespace", "diff.algorithm", "diff.colormoved"),
        *("diff.renamelimit", "diff.renames", "extensions.partialclone", "init.defaultbranch"),
        *("merge.conflictstyle", "merge.ff", "merge.renamelimit", "merge.renames"),
    )
)
_NARROWS = frozenset(("core.sparsecheckout", "core.sparsecheckoutcone"))
"""What decides which files are in a working tree."""
_ENDS = (".update", ".command", ".cmd", ".program", ".path", ".helper")
_NOT_COPIED = ("core.bare", "core.worktree")
_TRIED = (
    ("status", "--porcelain"),
    ("commit", "--dry-run", "--allow-empty"),
    ("add", "--all", "--dry-run"),
    ("checkout-index", "--all"),
    ("clean", "-d", "--dry-run"),
    ("fetch", "--quiet", "--dry-run", "."),
    ("log", "--max-count=1"),
    ("merge-tree", "--write-tree", "HEAD", "HEAD"),
    ("pack-objects", "--quiet", "--stdout"),
    ("read-tree", "HEAD"),
    ("worktree", "list"),
)
"""Commands that read most of a config, and fail if one of its values is not of its kind; they change no file."""
_FIRST = (
    *("-c", "user.name=x", "-c", "user.email=x", "-c", "core.hooksPath=/dev/null"),
    *("commit", "--quiet", "--no-gpg-sign", "--allow-empty", "--message=x"),
)
_FATAL = 128

Items = dict[str, list[str | None]]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How a config changed: keys that must not have changed, keys that may, and the config to use now.

    A key whose value makes git refuse to work is one of the former, whichever it is.
    """

    decisive: tuple[str, ...]
    other: tuple[str, ...]
    content: bytes


def is_decisive(key: str) -> bool:
    """Whether a key, as git lists it, says where git writes or what it runs."""
    section, _, _ = key.partition(".")
    if key in _HARMLESS:
        return False
    return section in _SECTIONS or key.endswith(_ENDS)


def compare(was: bytes, now: bytes, *, may_narrow: bool = False) -> Comparison | None:
    """What changed between two configs, and `now` with its decisive keys put back; None if git cannot read it.

    It `may_narrow` the working tree to some of its files, if that is the user's to decide.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pitboss-") as folder:
        old, new = Path(folder, "old"), Path(folder, "new")
        old.write_bytes(was)
        new.write_bytes(now)
        before, after = _items(old), _items(new)
        if before is None or after is None:
            return None
        changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        decided = {key for key in changed if is_decisive(key) and not (may_narrow and key in _NARROWS)}
        free = {key: after[key] for key in changed if key in after and key not in decided}
        broken = _broken(Path(folder), free)
        decisive = tuple(key for key in changed if key in decided or key in broken)
        other = tuple(key for key in changed if key not in decisive)
        if not decisive:
            return Comparison(decisive=(), other=other, content=now)
        for key in other:
            _put(old, key, after.get(key, []))
        return Comparison(decisive=decisive, other=other, content=old.read_bytes())


def as_copied(content: bytes) -> bytes:
    """What git writes as a new worktree's config, given that of the worktree it is made from."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pitboss-") as folder:
        file = Path(folder, "config")
        file.write_bytes(content)
        for key in _NOT_COPIED:
            _git(file, "--unset-all", key)
        return file.read_bytes()


def _items(file: Path) -> Items | None:
    """The values of every key in order; None if it is not a config."""
    done = _git(file, "--list", "-z", "--no-includes")
    if done is None:
        return None
    items: Items = {}
    for entry in filter(None, os.fsdecode(done).split("\0")):
        key, has_value, value = entry.partition("\n")
        items.setdefault(key, []).append(value if has_value else None)
    return items


def _broken(folder: Path, items: Items) -> frozenset[str]:
    """Those keys with whose values git refuses to work, as it turns out in a new repository."""
    if not items:
        return frozenset()
    place, env = str(folder), of_the_user(os.environ)
    for command in (("init", "--quiet", "--template=", place), _FIRST):
        capture(("git", *command), cwd=place, env=env)

    def fails(key: str | None = None, values: Sequence[str | None] = ()) -> bool:
        bare = [word for value in values if value is None for word in ("-c", str(key))]
        set_here = env | _as_environment(str(key), [value for value in values if value is not None])
        tried = (("git", *bare, *command) for command in _TRIED)
        return any(capture(argv, cwd=place, env=set_here).code == _FATAL for argv in tried)

    if fails():
        return frozenset()  # whatever it is, it is not of these
    return frozenset(key for key, values in items.items() if fails(key, values))


def _as_environment(key: str, values: Sequence[str]) -> dict[str, str]:
    """Settings as git takes them from its environment, where a key may hold an equals sign."""
    said = {f"GIT_CONFIG_VALUE_{nth}": value for nth, value in enumerate(values)}
    said |= {f"GIT_CONFIG_KEY_{nth}": key for nth in range(len(values))}
    return said | {"GIT_CONFIG_COUNT": str(len(values))}


def _put(file: Path, key: str, values: list[str | None]) -> None:
    _git(file, "--unset-all", key)
    for value in values:
        _git(file, "--add", key, "true" if value is None else value)


def _git(file: Path, *args: str) -> bytes | None:
    """Ask git about this file alone, from a folder where it reads no repository's config."""
    env = of_the_user(os.environ) | {"GIT_CEILING_DIRECTORIES": str(file.parent)}
    done = capture(("git", "config", "--file", str(file), *args), cwd=str(file.parent), env=env)
    return done.stdout if done.code == 0 else None
