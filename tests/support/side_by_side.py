"""Scripts for sessions that run beside each other, and what their working copies leave in a repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitboss import proctree

if TYPE_CHECKING:
    from tests.support.cli import Project
    from tests.support.runs import Run

AUTHOR = "git -c user.name=agent -c user.email=agent@local"
"""Git as an agent calls it, whose machine has no author set."""


def bounded(condition: str) -> str:
    """A script that waits until a condition of the shell's holds; after half a minute it fails."""
    return f"for _ in $(seq 1500); do ! {condition} || break; sleep 0.02; done; {condition} || exit 99"


def meeting(folder: Path, number: int) -> str:
    """A script that waits until `number` of those who run it are there at once."""
    folder.mkdir(exist_ok=True)
    return f": >{folder}/$PITBOSS_SESSION_SEQ; {bounded(f'[ $(ls {folder} | wc -l) -ge {number} ]')}"


def waiting_for(path: Path | str) -> str:
    """A script that waits until a file is there."""
    return bounded(f"[ -e {path} ]")


def until_recorded(seq: int) -> str:
    """A script that waits until session `seq` of its own run is on record."""
    log = "${PITBOSS_SUMMARY_FILE%/runs/*}/runs/$PITBOSS_RUN_ID/sessions.jsonl"
    return bounded(f"""grep -q '"seq":{seq},' {log}""")


def worktrees(project: Project) -> list[str]:
    """The folders that git knows as working copies of the project, by name; its own comes first."""
    listed = project.git("worktree", "list", "--porcelain").splitlines()
    return [Path(line.removeprefix("worktree ")).name for line in listed if line.startswith("worktree ")]


def remains(run: Run) -> list[str]:
    """What a run that is over has left of its working copies: folders, worktrees, branches, processes."""
    folder = run.folder / "worktrees"
    made = [path.name for path in folder.iterdir()] if folder.exists() else []
    branches = run.project.git("for-each-ref", "--format=%(refname:short)", "refs/heads/pitboss").split()
    processes = [str(pid) for pid in proctree.carrying({"PITBOSS_RUN_ID": run.run_id}, since=0)]
    return [*made, *worktrees(run.project)[1:], *(b for b in branches if b != run.branch), *processes]
