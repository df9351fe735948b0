"""Which commits of a run branch belong to which session (SPEC 11)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.changes import Author, changes
from tests.support.values import record

if TYPE_CHECKING:
    from pathlib import Path

BEGAN = 1_750_000_000


def line_of(root: Path, moments: list[int], author: str = "A <a@b>", message: str = "x") -> list[str]:
    """A branch whose commits were made at these moments, in seconds since the epoch, after a first one."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True, capture_output=True)
    commits = "".join(
        f"commit refs/heads/main\nmark :{nth}\n"
        f"author {author} {at} +0000\ncommitter A <a@b> {at} +0000\ndata {len(message)}\n{message}\n"
        for nth, at in enumerate([BEGAN - 1, *moments], 1)
    )
    subprocess.run(["git", "-C", str(root), "fast-import", "--quiet"], input=commits.encode(), check=True)
    listed = ["git", "-C", str(root), "rev-list", "--reverse", "main"]
    return subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()


def test_an_agents_commits_belong_to_the_session_that_follows_unless_they_are_older(tmp_path: Path) -> None:
    base, *line = line_of(tmp_path, [BEGAN + n for n in (1, 2, 3, 4, 20, 21, 22)])
    landed = [
        record(1, started_at=datetime.fromtimestamp(BEGAN, UTC), commit=line[2]),
        record(2, started_at=datetime.fromtimestamp(BEGAN + 10, UTC), commit=line[5]),
    ]
    found = changes(Repo.discover(tmp_path), landed, tip=line[-1], since=base)
    assert [(each.seq, each.base, each.commit) for each in found] == [
        (1, base, line[2]),
        (2, line[3], line[5]),
    ]


@pytest.mark.parametrize(
    ("name", "mail", "message"),
    [
        ("A\x1fB", "a@b", "x"),
        ("A", "a\x1f@b", "x\n\ny"),
        ("\x1f\x1fA", "a@b", "x\x1fy"),
        ("", "", "\n\nx"),
        ("A\rB\x1e", "a@b", "x"),
    ],
)
def test_whatever_is_in_names_and_messages_is_theirs(
    tmp_path: Path, name: str, mail: str, message: str
) -> None:
    base, commit = line_of(tmp_path, [BEGAN + 1], f"{name} <{mail}>".lstrip(" "), message)
    landed = [record(1, started_at=datetime.fromtimestamp(BEGAN, UTC), commit=commit)]
    (found,) = changes(Repo.discover(tmp_path), landed, tip=commit, since=base)
    assert found.author == Author(name, mail, f"{BEGAN + 1} +0000")
    assert found.message.rstrip("\n") == message
