"""Many commits in one call of git, whatever they hold: for tests of what git makes of histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.repo import Repo

FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"


class CommitStream:
    """Commits that are on their way to `repo`; `write` brings them there."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._lines: list[bytes] = []
        self._commits = 0

    def commit(self, orders: Iterable[bytes], *, parent: int | None = None) -> int:
        """Add a commit that changes its parent as `put` and `remove` say; returns its number."""
        self._commits += 1
        self._lines += [
            b"commit refs/heads/made-%d" % self._commits,
            b"mark :%d" % self._commits,
            b"committer A <a@b> %d +0000" % (1_700_000_000 + self._commits),
            b"data 0",
            *([b"from :%d" % parent] if parent else []),
            *orders,
            b"",
        ]
        return self._commits

    def write(self, *, packed: bool) -> dict[int, str]:
        """Have git write them; returns their full names."""
        unpack = "0" if packed else "1000000"
        marks = self._repo.inside("marks")
        order = (
            "-c",
            f"fastimport.unpackLimit={unpack}",
            "fast-import",
            "--force",
            "--quiet",
            f"--export-marks={marks}",
        )
        self._repo.git(*order, stdin=b"\n".join(self._lines))
        named = (line.split() for line in marks.read_text().splitlines())
        return {int(mark[1:]): oid for mark, oid in named}


def put(path: str, content: bytes, mode: str = FILE) -> bytes:
    """Write a file, or with another mode what that stands for."""
    return b"M %s inline %s\ndata %d\n%s" % (mode.encode(), _quoted(path), len(content), content)


def put_submodule(path: str, commit: str) -> bytes:
    """Write a submodule's link."""
    return b"M %s %s %s" % (SUBMODULE.encode(), commit.encode(), _quoted(path))


def remove(path: str) -> bytes:
    """Remove a file or folder."""
    return b"D %s" % _quoted(path)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"%s"' % escaped.encode("utf-8", "surrogateescape")
