"""Finds the project's test command and runs it before work lands (SPEC 6, verify).

A prompt that asks for `verify` in a project without tests fails verification: it must never pass because there was
nothing to run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss import process
from pitboss.core.environment import marker
from pitboss.core.failing import first_failing
from pitboss.core.user_commands import TestCommand, TestResult
from pitboss.process import Command, EndedBy, Exit
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pitboss.core.sandbox.fence import Fence
    from pitboss.core.stops import StopRequest

TAIL_LINES = 40
TAIL_BYTES = 64 * 1024
TIMEOUT_S = 1800.0
NO_TESTS = "no tests found: set [tests] command in .pitboss/config.toml, or take `verify` out of the prompt"


def find_tests(root: str | Path, command: str | None = None) -> TestCommand | None:
    """The test command of the project at `root`: the configured `command`, else one for the files found there.

    Tried in this order: Cargo.toml, package.json with a test script, pyproject.toml or setup.py, go.mod.
    """
    if command is not None and command.strip():
        return TestCommand(argv=("sh", "-c", command), found_by="[tests] command")
    folder = Path(root)
    return _cargo(folder) or _node(folder) or _python(folder) or _go(folder)


def run_tests(
    tests: TestCommand | None,
    *,
    cwd: str,
    env: Mapping[str, str],
    transcript: str | None = None,
    fence: Fence | None = None,
    stop: Callable[[], StopRequest | None] | None = None,
) -> TestResult:
    """Run `tests` in `cwd` with exactly `env`; output is appended to `transcript`, and a timeout ends the tree.

    `fence` is their sandbox. If `tests` is None, the result is a failure that says there are none.
    """
    if tests is None:
        return TestResult(passed=False, tail=NO_TESTS, failing=NO_TESTS, found=False)
    tail = bytearray()

    def keep(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-TAIL_BYTES]

    command = Command(
        argv=tests.argv,
        cwd=cwd,
        env=dict(env),
        transcript=transcript,
        max_seconds=TIMEOUT_S,
        marker=marker(env),
        fence=fence,
    )
    ended = process.run(command, on_output=keep, stop=stop)
    return _result(tests, tail.decode("utf-8", "replace"), ended)


def _result(tests: TestCommand, output: str, ended: Exit) -> TestResult:
    passed = ended.ended_by is EndedBy.EXIT and ended.code == 0
    tail = _last_words(tests, output, ended)
    return TestResult(
        passed=passed,
        tail=tail,
        failing=None if passed else _failing(output, tail, ended),
        stop=ended.stop,
    )


def _failing(output: str, tail: str, ended: Exit) -> str | None:
    """What failed, in one line: the first failing test, else why the tests did not finish."""
    if ended.ended_by is EndedBy.EXIT:
        return first_failing(output)
    return next(reversed(tail.splitlines()), None)


def _last_words(tests: TestCommand, output: str, ended: Exit) -> str:
    lines = output.splitlines()
    match ended.ended_by:
        case EndedBy.SPAWN_FAILED:
            lines.append(f"{ended.error} (test command `{tests}`, by {tests.found_by})")
        case EndedBy.WALL_CLOCK:
            lines.append(f"tests timed out after {TIMEOUT_S:g} s")
    return "\n".join(lines[-TAIL_LINES:])


def _cargo(folder: Path) -> TestCommand | None:
    return _by_file(folder, "Cargo.toml", "cargo", "test")


def _python(folder: Path) -> TestCommand | None:
    return _by_file(folder, "pyproject.toml", "pytest") or _by_file(folder, "setup.py", "pytest")


def _go(folder: Path) -> TestCommand | None:
    return _by_file(folder, "go.mod", "go", "test", "./...")


def _by_file(folder: Path, name: str, *argv: str) -> TestCommand | None:
    return TestCommand(argv=argv, found_by=name) if (folder / name).is_file() else None


def _node(folder: Path) -> TestCommand | None:
    if not _has_test_script(folder / "package.json"):
        return None
    for lock, manager in (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn")):
        if (folder / lock).is_file():
            return TestCommand(argv=(manager, "test"), found_by=f"package.json and {lock}")
    return TestCommand(argv=("npm", "test"), found_by="package.json")


class _Manifest(msgspec.Struct):
    scripts: dict[str, str] = {}


def _has_test_script(manifest: Path) -> bool:
    try:
        return bool(from_json(manifest.read_bytes(), _Manifest).scripts.get("test"))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
