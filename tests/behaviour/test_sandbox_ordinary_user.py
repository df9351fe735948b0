"""A night in the sandbox of a user who is not root (SPEC 13)."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.cli import COMMAND, PATIENCE_S, Project
from tests.support.ordinary_user import by_user, give, user, why_not
from tests.support.runs import the_run
from tests.support.sandboxes import needs_bwrap

WORK = """
id -u >who.txt
touch ~/by-agent || echo "no file in HOME" >>stopped.txt
cat ~/.ssh/id || echo "no key" >>stopped.txt
git branch evil || echo "no branch" >>stopped.txt
git add -A && git -c user.name=a -c user.email=a@b commit -qm "by the agent"
echo two >two.txt
"""


@needs_bwrap
@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_a_night_of_an_ordinary_user(mode: str) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="pitboss-ordinary-", ignore_cleanup_errors=True) as folder:
        project = Project.create(Path(folder) / "repo")
        key = Path(project.env["HOME"], ".ssh/id")
        key.parent.mkdir()
        key.write_text("key")
        project.write(
            ".pitboss/config.toml",
            f'[agent]\nbackend = "shell"\n[tests]\ncommand = "true"\n[grind]\nmode = "{mode}"\n',
        )
        project.prompt("chore", WORK, max_runs=1, verify=True)
        give(Path(folder))
        env = {name: value for name, value in project.env.items() if name != "COVERAGE_PROCESS_CONFIG"}
        done = subprocess.run(
            [*by_user(), *COMMAND, "grind", "--sandbox", "bwrap"],
            cwd=project.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done
        project.env |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        run = the_run(project)
        assert run.files(run.branch) == {
            "who.txt": f"{user()}\n",
            "two.txt": "two\n",
            "stopped.txt": "no file in HOME\nno key\nno branch\n",
        }
        assert "by the agent" in project.git("log", "--format=%s", run.branch)
