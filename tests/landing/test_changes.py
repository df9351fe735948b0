"""Which commits of a run branch belong to which session (SPEC 11)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.git.repo import Repo
from pitboss.landing.changes import changes
from tests.support.values import record

if TYPE_CHECKING:
    from pathlib import Path

BEGAN = 1_750_000_000


def line_of(root: Path, moments: list[int]) -> list[str]:
    """A branch whose commits were made at these moments, in seconds since the epoch, after a first one."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True, capture_output=True)
    commits = "".join(
        f"commit refs/heads/main\nmark :{nth}\ncommitter A <a@b> {at} +0000\ndata 1\nx\n"
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
