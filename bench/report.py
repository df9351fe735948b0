"""How long the report on 1,000 sessions takes, against `pitboss log`, which reads their records once (SPEC 11)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import msgspec

from bench.figures import Figure
from bench.measure import PITBOSS, interleave, median, say, time_child
from bench.repositories import CHANGES_NOTHING, git, make_repository
from bench.resume import RUN_ID, record_of, write_run
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record

if TYPE_CHECKING:
    from pathlib import Path

SESSIONS = 1000
ROUNDS = 11
LIMIT_S = 1.0
LIMIT = 6.0


def measure(scratch: Path) -> list[Figure]:
    """Make the report as HTML, in turn with reading the log; each session has a commit of its own."""
    say(f"report on {SESSIONS} sessions: {ROUNDS} rounds")
    repository = make_repository(scratch / "reported", files=10, agent=CHANGES_NOTHING)
    write_run(repository, SESSIONS)
    _land(repository)
    commands = {
        "report": [PITBOSS, "report", RUN_ID, "--format", "html"],
        "log": [PITBOSS, "log", RUN_ID],
    }
    taken = interleave(
        {
            name: lambda argv=argv: time_child(argv, repository).seconds  # type: ignore[misc]
            for name, argv in commands.items()
        },
        ROUNDS,
    )
    report, log = median(taken["report"]), median(taken["log"])
    return [
        Figure(f"report on {SESSIONS} sessions", report, "s", LIMIT_S),
        Figure(f"report on {SESSIONS} sessions / pitboss log", report / log, "x", LIMIT),
    ]


def _land(repository: Path) -> None:
    """Give every session a commit on the run branch, and its record the commit's id."""
    branch = f"pitboss/grind/{RUN_ID}"
    tip = git(repository, "rev-parse", branch).strip()
    lines = [f"reset refs/heads/{branch}\nfrom {tip}\n"]
    for seq in range(1, SESSIONS + 1):
        text = f"session {seq}\n" * 20
        lines.append(
            f"commit refs/heads/{branch}\ncommitter a <a@b> {1_767_225_600 + seq} +0000\ndata 1\nx\n"
            f"M 100644 inline src/file-{seq % 50}.py\ndata {len(text)}\n{text}\n"
        )
    subprocess.run(
        ["git", "fast-import", "--quiet", "--force"],
        cwd=repository,
        input="".join(lines).encode(),
        check=True,
    )
    commits = git(repository, "rev-list", "--reverse", f"{tip}..{branch}").split()
    records = [
        msgspec.structs.replace(record_of(seq), commit=commit) for seq, commit in enumerate(commits, start=1)
    ]
    RunPaths(repository, RUN_ID).log.write_bytes(b"".join(map(encode_record, records)))
