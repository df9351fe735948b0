"""Where everything lives, as the contract draws it."""

from __future__ import annotations

from pathlib import Path

from pitboss.store import paths
from pitboss.store.paths import RunPaths

REPO = Path("/repo")


def test_the_project_s_files_lie_where_the_contract_says() -> None:
    found = [
        paths.config_path(REPO),
        paths.skip_path(REPO),
        paths.prompts_dir(REPO),
        paths.rotations_dir(REPO),
        paths.lock_path(REPO),
        paths.runs_dir(REPO),
    ]
    assert [str(path) for path in found] == [
        "/repo/.pitboss/config.toml",
        "/repo/.pitboss/skip",
        "/repo/.pitboss/grind/prompts",
        "/repo/.pitboss/grind/rotations",
        "/repo/.pitboss/grind/lock",
        "/repo/.pitboss/grind/runs",
    ]


def test_a_run_s_files_lie_where_the_contract_says() -> None:
    run = RunPaths(REPO, "rid")
    found = [
        run.state,
        run.log,
        run.markdown,
        run.scratchpad,
        run.worktrees,
        run.control,
        run.transcript(1),
        run.transcript(1, "verify"),
        run.transcript(12345, "fix-01"),
        run.summary(1),
        run.usage(1),
        run.notes(1),
        run.skip(1),
        run.set_aside(1),
        run.nested(1),
        run.transcript(1, paths.attempt_kind(1)),
        run.transcript(1, paths.attempt_kind(2)),
    ]
    assert [str(path.relative_to("/repo/.pitboss/grind/runs/rid")) for path in found] == [
        "state.json",
        "sessions.jsonl",
        "sessions.md",
        "scratchpad.md",
        "worktrees",
        "control",
        "transcripts/session-0001.log",
        "transcripts/session-0001.verify.log",
        "transcripts/session-12345.fix-01.log",
        "transcripts/session-0001.summary.md",
        "transcripts/session-0001.usage.json",
        "transcripts/session-0001.scratchpad.md",
        "control/skip-1",
        "set-aside/session-0001",
        "nested/session-0001",
        "transcripts/session-0001.log",
        "transcripts/session-0001.attempt-02.log",
    ]
