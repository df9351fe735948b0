"""A short run to damage: a session that commits, one that fails, one that commits; stopped after the second."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from tests.chaos.checks import Baseline, records_of, violations
from tests.chaos.crash import KILLED, Moment, Shim
from tests.chaos.scenario import Place, build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.scenario import Ended

PROMPTS = ("a-commit", "d-fails", "g-commit")

FINISHED = 1
"""Exit code of a run that came to its end with a failed session in it."""

PAUSED = 3
"""Exit code of a run that a budget stopped."""


RESUME = ("grind", "--resume", "--max-iterations", "none")


class Trial(Place):
    """A place with at most one run, and the records that the run makes when nothing is damaged."""

    def __init__(self, root: Path, baseline: Baseline) -> None:
        super().__init__(root)
        self.baseline = baseline

    @property
    def run(self) -> Path:
        """The run's directory, whatever is left in it."""
        return next(path for path in (self.repo / ".pitboss/grind/runs").iterdir() if path.is_dir())

    @property
    def records(self) -> Path:
        """sessions.jsonl."""
        return self.run / "sessions.jsonl"

    @property
    def state_file(self) -> Path:
        """state.json."""
        return self.run / "state.json"

    @property
    def branch(self) -> str:
        """The run branch."""
        return f"pitboss/grind/{self.run.name}"

    def state(self) -> dict[str, Any]:
        """What state.json says."""
        read: dict[str, Any] = json.loads(self.state_file.read_bytes())
        return read

    def change_state(self, **changes: object) -> None:
        """Write other values into state.json."""
        self.state_file.write_text(json.dumps(self.state() | changes))

    def forget_copy(self) -> None:
        """Remove what is kept of the run in git's folder."""
        shutil.rmtree(self.repo / ".git/pitboss/backup")

    def resume(self, **env: str) -> Ended:
        """`grind --resume`."""
        return self.pitboss(*RESUME, **env)

    def repair(self, *options: str) -> Ended:
        """`repair` of the run."""
        return self.pitboss("repair", self.run.name, *options)

    def wrong(self, *, crashes: int = 0) -> list[str]:
        """Resume the run to its end and say what does not hold then; empty when all does."""
        ended = self.resume()
        failed = any(record["status"] == "error" for record in records_of(self))
        if ended.code != (FINISHED if failed else 0):
            return [f"resume: {ended}"]
        return violations(self, self.baseline, crashes=crashes)

    def aside(self) -> dict[str, bytes]:
        """The files that were set aside, by name."""
        names = ("*.torn-*", "*.damaged-*")
        return {p.name: p.read_bytes() for name in names for p in sorted(self.run.glob(name))}

    def picture(self) -> dict[str, bytes]:
        """All that a refusal must leave alone: the user's tree, the run's files, git's folder; a lock may be made."""
        return {
            str(p.relative_to(self.repo)): p.read_bytes()
            for p in sorted(self.repo.rglob("*"))
            if p.is_file() and p.name != "lock"
        }


AGENT_ENDED = Moment("waitpid", after="open", file="session-0003.log")
"""The agent has done its work and nobody was told: in flight, no outcome."""

OUTCOME_WRITTEN = Moment("waitpid rename pipe2", after="open", file="session-0003.log")
"""How the agent ended is durable; nothing has landed."""

LANDED = Moment("waitpid rename unlink write", after="open", file="session-0003.log")
"""The commit is on the branch; there is no record."""

RECORDED = Moment("open", after="fsync", file="sessions.jsonl")
"""The record is durable; the checkpoint does not know."""


class Trials:
    """Makes trials; what they have in common is made once."""

    def __init__(self, folder: Path) -> None:
        self._shim = Shim(folder)
        self._fresh = build(folder / "fresh", PROMPTS).root
        whole = self._copy(self._fresh, folder / "whole", Baseline([]))
        ended = whole.pitboss("grind")
        assert ended.code == FINISHED, ended
        self._baseline = Baseline(records_of(whole))
        self._paused = folder / "paused"
        ended = self.fresh(self._paused).pitboss("grind", "--max-iterations", "2")
        assert ended.code == PAUSED, ended

    def fresh(self, root: Path) -> Trial:
        """A repository in which no run has begun."""
        return self._copy(self._fresh, root, self._baseline)

    def paused(self, root: Path) -> Trial:
        """A run of which two sessions are recorded; the third is yet to come."""
        return self._copy(self._paused, root, self._baseline)

    def crashed(self, root: Path, moment: Moment) -> Trial:
        """A run whose runner was killed at a moment of its third session."""
        trial = self.paused(root)
        ended = self._shim.crash_at(trial, moment, *RESUME)
        assert ended.code == KILLED, ended
        return trial

    def _copy(self, template: Path, root: Path, baseline: Baseline) -> Trial:
        shutil.copytree(template, root, symlinks=True)
        return Trial(root, baseline)
