"""One act in one mode: a repository with a run of `pitboss grind` on it, from before its start to after its end."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.hostile.act import IN_PLACE, PARALLEL, WORKTREE
from tests.hostile.judge import facts
from tests.support.cli import Project
from tests.support.runs import Run, configure, the_run
from tests.support.side_by_side import meeting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.act import Act


class Trial:
    """The scene of an act, on a copy of the `ground` of all acts; the act is played when the trial is made."""

    def __init__(self, ground: Path, folder: Path, act: Act, mode: str) -> None:
        subprocess.run(
            ["cp", "-a", f"{ground}/.", str(folder)], check=True
        )  # copytree takes eight times as long
        self.act = act
        self.mode = mode
        self.folder = folder
        self.beside = folder / "beside"
        self.scratch = folder / "scratch"
        self.project = Project(folder / "repo")
        self._write_prompts()
        self._sh(act.before)
        self.before = facts(self)
        self.project.env |= {name: self._filled(value) for name, value in act.env.items()}
        self.done = self.project.pitboss("grind", *(("--max-parallel", "2") if mode == PARALLEL else ()))
        for name in act.env:
            del self.project.env[name]
        self.after = facts(self)

    @property
    def run(self) -> Run:
        """The one run."""
        return the_run(self.project)

    @property
    def starts(self) -> list[str]:
        """The prompts whose agents were started, in order."""
        ledger = self.folder / "starts"
        return ledger.read_text().split() if ledger.exists() else []

    def _write_prompts(self) -> None:
        mode = WORKTREE if self.mode == WORKTREE else IN_PLACE
        configure(self.project, grind=f'mode = "{mode}"\n{self.act.grind}', more=self.act.more)
        parallel = self.mode == PARALLEL
        meet = meeting(self.folder / "met", 2) if parallel else ":"
        self._prompt("act", f"{meet}\necho 'the work of the act' >act.txt\n{self.act.script}", 3, parallel)
        if parallel:
            self._prompt("neighbour", f"{meet}\necho 'the work of the neighbour' >neighbour.txt", 2, parallel)
        self._prompt("later", "echo 'later work' >later.txt", 1, parallel)

    def _prompt(self, name: str, script: str, weight: int, parallel: bool) -> None:
        begin = f"echo {name} >>{self.folder}/starts\n{self._variables()}\nRUN=${{PITBOSS_SUMMARY_FILE%/*/*}}"
        self.project.prompt(name, f"{begin}\n{script}", weight=weight, max_runs=1, parallel_safe=parallel)

    def _variables(self) -> str:
        return f"REPO={self.project.root} BESIDE={self.beside} SCRATCH={self.scratch}"

    def _sh(self, script: str) -> None:
        whole = f"set -eu\n{self._variables()}\n{script}"
        subprocess.run(["sh", "-c", whole], cwd=self.project.root, env=self.project.env, check=True)

    def _filled(self, value: str) -> str:
        return value.format(repo=self.project.root, beside=self.beside, scratch=self.scratch)


def lay_ground(folder: Path) -> None:
    """Make what every act begins with: a repository, a folder beside it, and a folder to scribble in."""
    project = Project.create(folder / "repo")
    project.write("src/code.txt", "code\n")
    project.commit("Code")
    project.git("branch", "other")
    project.git("config", "user.name", "user")
    project.git("config", "user.email", "user@local")
    project.write("README.md", "stashed\n")
    project.env["GIT_COMMITTER_DATE"] = "2020-01-01T00:00:00Z"  # else it might be the first session's
    project.git("stash", "-q")
    for hook in (folder / "repo/.git/hooks").glob("*.sample"):
        hook.unlink()
    (folder / "repo-home").rmdir()  # each trial has its own
    (folder / "scratch").mkdir()
    beside = folder / "beside"
    beside.mkdir()
    (beside / "precious").write_text("the user's\n")
    project.git("clone", "-q", str(project.root), str(beside / "other"))
