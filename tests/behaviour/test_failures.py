"""Failures in one table: which exit code, which words, by the real command line and by the table itself."""

from __future__ import annotations

import errno
import resource
import subprocess
from typing import TYPE_CHECKING

import click
import pytest

from pitboss.cli.shared.failures import Failure, explain
from pitboss.errors import (
    CapReached,
    CommandError,
    InputError,
    LockHeld,
    Problem,
    RunnerKilled,
    StorageError,
)
from pitboss.git.errors import GitError
from tests.support.cli import COMMAND, Project

if TYPE_CHECKING:
    from pathlib import Path

REPORT = "please report this with the output of the same command after `pitboss -v`"


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (KeyboardInterrupt(), Failure(130)),
        (click.Abort(), Failure(130)),
        (BrokenPipeError(), Failure(141)),
        (click.exceptions.Exit(3), Failure(3)),
        (click.UsageError("what?"), Failure(4, ("what?",), "`pitboss --help` shows how to use it")),
        (CommandError("no", hint="do"), Failure(1, ("no",), "do")),
        (LockHeld("held"), Failure(4, ("held",))),
        (CapReached("cap"), Failure(3, ("cap",))),
        (RunnerKilled("killed"), Failure(70, ("killed",))),
        (StorageError("disk"), Failure(70, ("disk",))),
        (
            InputError([Problem("a.md", "x"), Problem("b.md", "y", line=2)]),
            Failure(4, ("a.md: x", "b.md:2: y")),
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x"),
            Failure(
                70, ("cannot write /x: No space left on device",), "free some disk space, then try again"
            ),
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            Failure(70, ("internal error: OSError: [Errno 5] Input/output error",), REPORT, trace=True),
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            Failure(
                70,
                ("too many open files",),
                "raise the limit of open files, as by `ulimit -n 1024`, then try again; `pitboss status` says how to "
                "go on with a run",
            ),
        ),
        (
            RuntimeError("can't start new thread"),
            Failure(
                70,
                ("this machine starts no more threads",),
                "end some processes, or raise their limit (`ulimit -u`, or the container's), then try again; "
                "`pitboss status` says how to go on with a run",
            ),
        ),
        (MemoryError(), Failure(70, ("internal error: MemoryError",), REPORT, trace=True)),
        (
            ValueError("two\n lines"),
            Failure(70, ("internal error: ValueError: two lines",), REPORT, trace=True),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_failure_has_its_code_and_its_words(error: BaseException, failure: Failure) -> None:
    assert explain(error) == failure


def test_too_few_files_keep_a_run_from_starting_and_it_says_what_to_raise(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("alpha", "true")
    done = subprocess.run(
        [*COMMAND, "grind", "--max-iterations", "1"],
        cwd=project.root,
        env=project.env,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12)),
    )
    assert done.stderr.startswith("error: too many open files\nhint: raise the limit of open files")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("cannot start /usr/bin/git: Too many open files", "ulimit -n"),
        ("fatal: cannot fork() for pack-objects: Resource temporarily unavailable", "ulimit -u"),
        ("fatal: mmap failed: Cannot allocate memory", "free some memory"),
    ],
)
def test_a_git_that_is_short_of_something_says_what_to_raise(said: str, words: str) -> None:
    assert words in (GitError(("git", "gc"), said, code=128).hint or "")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("worker", "Missing argument 'ADDRESS'."),
        ("completion", "Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish"),
        ("prompts new", "Missing argument 'NAME'"),
        (
            "history --by foo",
            "Invalid value for '--by': 'foo' is not one of 'prompt', 'agent', 'model', 'day'.",
        ),
    ],
)
def test_what_is_wrong_with_a_command_line_is_one_line(tmp_path: Path, args: str, said: str) -> None:
    done = Project.create(tmp_path / "repo").pitboss(*args.split())
    assert done.err.splitlines()[0] == f"error: {said}"
    assert (done.code, len(done.err.splitlines())) == (4, 2)


@pytest.mark.parametrize("args", ["--version", "--help", "status --help", "runs"])
def test_no_room_for_what_is_printed_is_70_and_asks_for_room(tmp_path: Path, args: str) -> None:
    project = Project.create(tmp_path / "repo")
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [*COMMAND, *args.split()],
            cwd=project.root,
            env=project.env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        70,
        "error: cannot write the output: No space left on device\nhint: free some disk space, then try again\n",
    )


@pytest.mark.parametrize("args", ["--version", "--help", "status --help", "runs"])
def test_a_reader_that_is_gone_is_141_and_no_word(tmp_path: Path, args: str) -> None:
    project = Project.create(tmp_path / "repo")
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    assert reader.stdin is not None
    with reader.stdin as gone:
        done = subprocess.run(
            [*COMMAND, *args.split()],
            cwd=project.root,
            env=project.env,
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")
