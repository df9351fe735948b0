"""New files are found whatever git has cached of them (SPEC 1.2)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git import snapshot
from pitboss.git.repo import Repo
from tests.support.cli import Project
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

MANY = 600
"""Files; of fewer than 500 pitboss looks at each itself."""

NEXT_SECOND = "for _ in $(seq 200); do [ $(date +%s) = $now ] || break; sleep 0.02; done; now=$(date +%s)"
WORKS = f"""now=$(date +%s); git status >/dev/null
{NEXT_SECOND}
echo x >first.txt; git status >/dev/null; echo x >$PITBOSS_PROMPT_NAME-second.txt
{NEXT_SECOND}
echo more >>README.md; git add README.md
"""


@pytest.mark.parametrize("workers", [(), ("--workers", "local:1")], ids=["here", "on a worker"])
def test_a_file_lands_that_was_made_in_the_second_in_which_the_agent_asked_git_for_its_status(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    project = Project.create(tmp_path / "project")
    for nth in range(MANY):
        project.write(f"many/{nth}.txt", f"{nth}\n")
    project.commit("many files")
    configure(project, grind='mode = "worktree"')
    for name in ("alpha", "beta", "gamma"):
        project.prompt(name, WORKS, max_runs=1)
    assert project.pitboss("grind", *workers).code == 0
    run = the_run(project)
    missing = {f"{name}-second.txt" for name in ("alpha", "beta", "gamma")} - set(run.files(run.branch))
    assert missing == set()
    assert project.git("for-each-ref", "refs/pitboss/rescue") == ""


def test_git_that_is_asked_anew_names_what_its_cache_overlooks(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    repo = Repo.discover(project.root)
    project.git("config", "core.untrackedCache", "true")
    project.git("update-index", "--untracked-cache")
    script = WORKS.replace("$PITBOSS_PROMPT_NAME-", "")
    subprocess.run(["sh", "-c", script], cwd=project.root, env=project.env, check=True)
    assert set(repo.status(anew=True).few_paths) == {"first.txt", "second.txt", "README.md"}
    assert set(repo.begin_status(anew=True)().few_paths) == {"first.txt", "second.txt", "README.md"}


def test_a_tree_in_which_nothing_differs_after_all_is_no_work(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    repo = Repo.discover(project.root)
    (project.root / "new.txt").write_text("new\n")
    status = repo.status()
    (made,) = snapshot.work(repo, status, message="work", base="HEAD")
    assert "new.txt" in project.git("ls-tree", "--name-only", made)
    project.git("rm", "-q", "-f", "new.txt")
    assert snapshot.work(repo, status, message="work", base="HEAD") == []
