"""The project's tests: how they are found and what their end says (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pitboss import checks
from pitboss.checks import NO_TESTS, find_tests, run_tests
from pitboss.core.stops import StopRequest
from pitboss.core.user_commands import TestCommand, TestResult
from pitboss.process import supervisor
from tests.support.clock import LeapingClock

if TYPE_CHECKING:
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"], "ONLY": "this"}
WITH_TEST = '{"scripts": {"test": "jest"}}'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"Cargo.toml": ""}, ("cargo", "test")),
        ({"package.json": WITH_TEST}, ("npm", "test")),
        ({"package.json": WITH_TEST, "package-lock.json": "{}"}, ("npm", "test")),
        ({"package.json": WITH_TEST, "yarn.lock": ""}, ("yarn", "test")),
        ({"package.json": WITH_TEST, "pnpm-lock.yaml": "", "yarn.lock": ""}, ("pnpm", "test")),
        ({"package.json": "{}"}, None),
        ({"package.json": '{"scripts": {"build": "tsc"}}'}, None),
        ({"package.json": "{", "go.mod": ""}, ("go", "test", "./...")),
        ({"package.json": '{"scripts": []}', "setup.py": ""}, ("pytest",)),
        ({"pyproject.toml": ""}, ("pytest",)),
        ({"setup.py": ""}, ("pytest",)),
        ({"go.mod": ""}, ("go", "test", "./...")),
        (
            {"Cargo.toml": "", "package.json": WITH_TEST, "pyproject.toml": "", "go.mod": ""},
            ("cargo", "test"),
        ),
        ({"package.json": WITH_TEST, "pyproject.toml": "", "go.mod": ""}, ("npm", "test")),
        ({"pyproject.toml": "", "go.mod": ""}, ("pytest",)),
    ],
)
def test_tests_are_found_by_the_files_of_the_project(
    tmp_path: Path, files: dict[str, str], expected: tuple[str, ...] | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    found = find_tests(tmp_path)
    assert (found and found.argv) == expected


def test_the_configured_command_comes_first_and_is_a_shell_command(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").touch()
    found = find_tests(tmp_path, "make test && echo fine")
    assert found == TestCommand(argv=("sh", "-c", "make test && echo fine"), found_by="[tests] command")
    assert str(found) == "make test && echo fine"
    assert str(find_tests(tmp_path)) == "cargo test"


def checked(folder: Path, script: str, **options: Any) -> TestResult:
    return run_tests(find_tests(folder, script), cwd=str(folder), env=ENV, **options)


def test_tests_that_exit_with_zero_pass(tmp_path: Path) -> None:
    log = tmp_path / "verify.log"
    assert checked(tmp_path, "echo $ONLY; pwd > where", transcript=str(log)) == TestResult(
        passed=True, tail="this"
    )
    assert log.read_text() == "this\n"
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)


def test_tests_that_fail_give_the_last_forty_lines(tmp_path: Path) -> None:
    result = checked(tmp_path, "seq 1 100; printf 'caf\\303\\251 \\377' >&2; exit 1")
    assert result == TestResult(
        passed=False, tail="\n".join([*(str(n) for n in range(62, 101)), "café \ufffd"]), failing="café"
    )


def test_a_flood_of_output_is_cut_to_its_end(tmp_path: Path) -> None:
    result = checked(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1")
    assert result.tail.endswith("\nlast")
    assert len(result.tail) <= 64 * 1024


def test_tests_that_take_too_long_fail_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LeapingClock(tmp_path, monkeypatch, supervisor)
    monkeypatch.setattr(checks, "TIMEOUT_S", 99.5)
    result = checked(tmp_path, f"echo started; {clock.passes(100)}", stop=clock.look)
    assert result == TestResult(
        passed=False,
        tail="started\ntests timed out after 99.5 s",
        failing="tests timed out after 99.5 s",
    )


def test_tests_that_are_stopped_have_no_verdict_of_their_own(tmp_path: Path) -> None:
    running = tmp_path / "running"
    result = checked(
        tmp_path, ": > running; exec sleep 300", stop=lambda: StopRequest.SKIP if running.exists() else None
    )
    assert result == TestResult(passed=False, stop=StopRequest.SKIP)


def test_a_test_program_that_is_not_installed_is_a_failure_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "go.mod").touch()
    result = run_tests(find_tests(tmp_path), cwd=str(tmp_path), env={"PATH": str(tmp_path)})
    assert result == TestResult(
        passed=False,
        tail="cannot start go: no such program (test command `go test ./...`, by go.mod)",
        failing="cannot start go: no such program (test command `go test ./...`, by go.mod)",
    )


def test_a_project_without_tests_never_passes(tmp_path: Path) -> None:
    result = run_tests(find_tests(tmp_path), cwd=str(tmp_path), env=ENV)
    assert result == TestResult(passed=False, tail=NO_TESTS, failing=NO_TESTS, found=False)
