"""What git says of many objects at once: of which kind each is, or what is in it (SPEC 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo

_KINDS = ("cat-file", "--batch-check=%(objecttype)")
_CONTENTS = ("cat-file", "--batch")
_KNOWN = frozenset({b"commit", b"tree", b"blob", b"tag"})


def commits_among(repo: Repo, objects: Sequence[str]) -> list[str]:
    """Those that are commits which git can read. What is missing may just be elsewhere, and is asked for twice."""
    kinds = _kinds(repo, objects)
    if not _KNOWN.issuperset(kinds):
        kinds = _kinds(repo, objects)
    return [oid for oid, kind in zip(objects, kinds, strict=False) if kind == b"commit"]


def _kinds(repo: Repo, objects: Sequence[str]) -> list[bytes]:
    return repo.git(*_KINDS, stdin=_lines(objects)).splitlines() if objects else []


def contents_of(repo: Repo, objects: Sequence[str]) -> list[bytes]:
    """What is in each of the objects, which belong to a commit. Raises GitError if git has not got one."""
    rest = repo.git(*_CONTENTS, stdin=_lines(objects)) if objects else b""
    found = []
    for oid in objects:
        header, _, rest = rest.partition(b"\n")
        size = header.split()[-1]
        if not size.isdigit():
            raise GitError(("git", *_CONTENTS), f"fatal: unable to read {oid}", code=128)
        found.append(rest[: int(size)])
        rest = rest[int(size) + 1 :]
    return found


def _lines(objects: Sequence[str]) -> bytes:
    return "".join(f"{oid}\n" for oid in objects).encode()
