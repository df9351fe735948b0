"""How CI runs the tests: what fails is tried once more, alone, and a flaky test is never hidden (`.ci/tests`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci/tests"
MAKEFILE = """
test:
\t.venv/bin/python -m pytest

coverage:
\t.venv/bin/python -m pytest
\t$(MAKE) covered

covered:
\t@echo combined and checked
"""
SOUND = "def test_sound(): pass\n"
FLAKY = """
def test_flaky_{n}():
    from pathlib import Path
    once = Path("once-{n}")
    first = not once.exists()
    once.touch()
    assert not first, "the first failure"
"""
BROKEN = "def test_broken(): assert False, 'broken'\n"


def ci(folder: Path, tests: str, target: str = "test") -> subprocess.CompletedProcess[str]:
    """What `.ci/tests` makes of a project with these tests."""
    (folder / ".ci").mkdir()
    shutil.copy(SCRIPT, folder / ".ci")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "test_it.py").write_text(SOUND + tests)
    (folder / "pytest.ini").write_text("[pytest]\n")
    alone = ("PYTEST_", "COVERAGE_", "MAKE", "MFLAGS")
    env = {name: value for name, value in os.environ.items() if not name.startswith(alone)}
    env["FLAKY"] = str(folder / "flaky")
    argv = (folder / ".ci/tests", target)
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)


def told(folder: Path) -> str:
    flaky = folder / "flaky"
    return flaky.read_text() if flaky.exists() else ""


def test_tests_that_pass_run_once(tmp_path: Path) -> None:
    done = ci(tmp_path, "")
    assert (done.returncode, done.stdout.count("1 passed"), told(tmp_path)) == (0, 1, "")


@pytest.mark.parametrize("target", ["test", "coverage"])
def test_one_that_fails_and_passes_alone_is_told_loudly_with_its_failure(tmp_path: Path, target: str) -> None:
    done = ci(tmp_path, FLAKY.format(n=1), target)
    assert done.returncode == 0, done
    assert "FLAKY: failed once, passed alone: test_it.py::test_flaky_1\n" in told(tmp_path)
    assert "AssertionError: the first failure" in told(tmp_path)
    assert told(tmp_path) in done.stdout
    assert ("combined and checked" in done.stdout) == (target == "coverage")


@pytest.mark.parametrize(
    "tests",
    [
        BROKEN,
        BROKEN + FLAKY.format(n=1),
        "".join(FLAKY.format(n=n) for n in range(4)),
        FLAKY.format(n=1) + "import no_such_module\n",
        FLAKY.format(n=1) + "def test_end():\n    import pytest\n    pytest.exit('in the middle')\n",
    ],
    ids=[
        "it fails twice",
        "another one does",
        "there are four",
        "a file cannot be read",
        "pytest ends early",
    ],
)
def test_anything_else_that_is_wrong_refuses_the_change(tmp_path: Path, tests: str) -> None:
    done = ci(tmp_path, tests)
    assert (done.returncode, told(tmp_path)) == (1, ""), done
