"""Stages files byte for byte if git fails to convert them as `.gitattributes` asks (SPEC 1.2, 1.8)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pitboss.git.access import with_access

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pitboss.git.repo import Repo

_ENCODING = "working-tree-encoding"
_LIST = ("ls-files", "-z", "--others", "--exclude-standard")
_WITHOUT = (b"unspecified", b"unset")


def encoded(repo: Repo, *, where: Sequence[str] = (), env: Mapping[str, str] | None = None) -> list[str]:
    """Regular files that git would have to convert from another encoding, unchanged ones included.

    `where` goes before git's command: the folder to work in, for example.
    """
    listed = repo.git(*where, *_LIST, "--cached", env=env)
    answer = repo.git(*where, "check-attr", "-z", "--stdin", _ENCODING, stdin=listed, env=env).split(b"\0")
    found = (path for path, value in zip(answer[0::3], answer[2::3], strict=False) if value not in _WITHOUT)
    return regular(repo, dict.fromkeys(map(os.fsdecode, found)), env=env)


def changed(
    repo: Repo, files: Iterable[str], *, where: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> list[str]:
    """Those of the files that are changed or new."""
    listed = os.fsdecode(repo.git(*where, *_LIST, "--modified", env=env)).split("\0")
    return sorted(set(listed).intersection(files))


def regular(repo: Repo, paths: Iterable[str], *, env: Mapping[str, str] | None = None) -> list[str]:
    """Those of the paths that are regular files: git converts nothing else."""
    return [path for path in paths if stat.S_ISREG(_mode(repo, path, env))]


def stage(
    repo: Repo, files: Sequence[str], *, where: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> None:
    """Put regular files into the index as they are. Raises GitError."""
    hashing = (*where, "hash-object", "-w", "--no-filters", "--stdin-paths")
    named = "".join(f"{_quoted(path)}\n" for path in files)
    oids = with_access(repo, *hashing, stdin=os.fsencode(named), env=env).decode().split()
    kinds = ("100755" if _mode(repo, path, env) & stat.S_IXUSR else "100644" for path in files)
    lines = (f"{kind} {oid}\t{path}\0" for kind, oid, path in zip(kinds, oids, files, strict=True))
    repo.git(*where, "update-index", "-z", "--index-info", stdin=os.fsencode("".join(lines)), env=env)


def _mode(repo: Repo, path: str, env: Mapping[str, str] | None) -> int:
    try:
        return os.lstat(os.path.join((env or {}).get("GIT_WORK_TREE", repo.root), path)).st_mode  # noqa: PTH118
    except OSError:
        return 0


def _quoted(path: str) -> str:
    """A path quoted to fit on one line, whatever it contains."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
