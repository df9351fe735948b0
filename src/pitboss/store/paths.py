"""Names of everything under `.pitboss/`, and nothing else (SPEC 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.session import transcript_name

if TYPE_CHECKING:
    from pathlib import Path

PITBOSS_FOLDER = ".pitboss"
STATE_FILENAME = "state.json"
LOG_FILENAME = "sessions.jsonl"
LOCK_FILENAME = "lock"
TASK_FILENAME = "task.md"


def pitboss_dir(repo: Path) -> Path:
    """The folder of everything pitboss keeps in the repository rooted at `repo`."""
    return repo / PITBOSS_FOLDER


def config_path(repo: Path) -> Path:
    """The project's configuration."""
    return pitboss_dir(repo) / "config.toml"


def skip_path(repo: Path) -> Path:
    """The file whose creation skips the sessions in flight (SPEC 6)."""
    return pitboss_dir(repo) / "skip"


def grind_dir(repo: Path) -> Path:
    """Prompts, rotations, runs and the lock of `pitboss grind`."""
    return pitboss_dir(repo) / "grind"


def prompts_dir(repo: Path) -> Path:
    """The project's prompts."""
    return grind_dir(repo) / "prompts"


def rotations_dir(repo: Path) -> Path:
    """The project's rotations."""
    return grind_dir(repo) / "rotations"


def queue_dir(repo: Path) -> Path:
    """Tasks that wait for a run."""
    return grind_dir(repo) / "queue"


def lock_path(repo: Path) -> Path:
    """The file that a live run keeps locked."""
    return grind_dir(repo) / LOCK_FILENAME


def runs_dir(repo: Path) -> Path:
    """One directory for each run."""
    return grind_dir(repo) / "runs"


def attempt_kind(attempt: int) -> str:
    """The kind of an attempt's transcript (attempts count from 1); the first is named after its session alone."""
    return f"attempt-{attempt:02}" if attempt > 1 else ""


class RunPaths:
    """The files of one run. `repo` is the root of the repository."""

    __slots__ = (
        "applied",
        "control",
        "ended",
        "events",
        "kept_prompts",
        "log",
        "markdown",
        "queued",
        "refused",
        "repo",
        "report_html",
        "report_markdown",
        "review",
        "root",
        "run_id",
        "runner_log",
        "scratchpad",
        "skip_file",
        "state",
        "switch",
        "task",
        "transcripts",
        "workers",
        "worktrees",
    )

    def __init__(self, repo: Path, run_id: str) -> None:
        self.run_id = run_id
        self.repo = repo
        self.root = runs_dir(repo) / run_id
        self.state = self.root / STATE_FILENAME
        self.log = self.root / LOG_FILENAME
        self.markdown = self.root / "sessions.md"
        self.report_html = self.root / "report.html"
        self.report_markdown = self.root / "report.md"
        self.scratchpad = self.root / "scratchpad.md"
        self.transcripts = self.root / "transcripts"
        self.worktrees = self.root / "worktrees"
        self.control = self.root / "control"
        self.refused = self.root / "set-aside" / "control"
        self.ended = self.root / "ended"
        self.skip_file = skip_path(repo)
        self.events = self.root / "events.jsonl"
        self.kept_prompts = self.root / "kept-prompts"
        self.runner_log = self.root / "runner.log"
        self.switch = self.root / "switch"
        self.review = self.root / "review.json"
        self.applied = self.root / "applied"
        self.task = self.root / TASK_FILENAME
        self.queued = self.root / "queue"
        self.workers = self.root / "workers.json"

    def working_copy(self, name: str) -> Path:
        """The folder of a session with a tree of its own, by the name in its assignment."""
        return self.root / name

    def queued_task(self, task_id: str) -> Path:
        """The file of a task that this run took from the queue."""
        return self.queued / f"{task_id}.md"

    def set_aside(self, seq: int) -> Path:
        """Where files go that had to leave the tree of session `seq` and are too large for git."""
        return self.root / "set-aside" / f"session-{seq:04}"

    def nested(self, seq: int) -> Path:
        """Where repositories go that session `seq` created inside its tree and that had to leave it."""
        return self.root / "nested" / f"session-{seq:04}"

    def transcript(self, seq: int, kind: str = "") -> Path:
        """Raw output of session `seq`: its agent's, or that of a `kind` (`verify`, `fix-01`)."""
        return self._of_session(seq, kind, "log")

    def summary(self, seq: int) -> Path:
        """Where the agent of session `seq` writes its summary."""
        return self._of_session(seq, "", "summary.md")

    def notes(self, seq: int) -> Path:
        """The scratchpad of a parallel session: the run's at the start of the session, plus what it added."""
        return self._of_session(seq, "", "scratchpad.md")

    def exchange(self, seq: int) -> Path:
        """The folder of a session in a sandbox, for the files that it and the run have in common (SPEC 13)."""
        return self.root.joinpath("exchange", f"session-{seq:04}")

    def skip(self, seq: int) -> Path:
        """The file whose creation skips session `seq` alone (SPEC 6)."""
        return self.control / f"skip-{seq}"

    def usage(self, seq: int, kind: str = "") -> Path:
        """Where the agent of session `seq`, or its fixer of that `kind`, may report what it used."""
        return self._of_session(seq, kind, "usage.json")

    def _of_session(self, seq: int, kind: str, ending: str) -> Path:
        name = transcript_name(seq).removesuffix(".log")
        return self.root / ".".join(filter(None, (name, kind, ending)))
