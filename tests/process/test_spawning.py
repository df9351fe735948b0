"""Both ways to start a program do the same; the quick one is used while other threads are at work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pitboss.process.command import Command
from pitboss.process.spawning import start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.process.spawning import Child

SHOWS = """
cat; pwd; echo "$WORD"; echo complaint >&2
ls /proc/$$/fd | tr "\\n" " "; ps -o sid= -p $$
exit 7
"""
quick_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the quick way is Linux's")


@pytest.fixture(params=["alone", "beside another thread"])
def company(request: pytest.FixtureRequest) -> Iterator[None]:
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    if request.param != "alone":
        other.start()
    yield
    over.set()
    if request.param != "alone":
        other.join()


def command(*argv: str, **rules: object) -> Command:
    return Command(argv=argv, **{"cwd": "/", **rules})  # type: ignore[arg-type]


def ended(child: Child) -> tuple[int, bytes, bytes]:
    said = [b"" if pipe is None else pipe.read() for pipe in (child.stdout, child.stderr)]
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    while child.poll() is None:
        time.sleep(0.001)
    assert child.poll() == child.returncode
    return child.returncode, said[0], said[1]


@pytest.mark.usefixtures("company")
def test_a_program_gets_its_folder_environment_input_and_a_session_of_its_own(tmp_path: Path) -> None:
    asked = command(
        "/bin/sh",
        "-c",
        SHOWS,
        cwd=str(tmp_path),
        env={**os.environ, "WORD": "w\xf6rd"},
        stdin=b"x",
        merge_stderr=False,
    )
    child = start(asked)
    assert child.stdin is not None
    child.stdin.write(b"read\n")
    child.stdin.close()
    code, out, errors = ended(child)
    read, where, word, descriptors, session = [*out.decode().splitlines()[:4], out.split()[-1].decode()]
    assert (code, errors) == (7, b"complaint\n")
    assert (read, where, word) == ("read", str(tmp_path), "w\xf6rd")
    assert descriptors.split()[:3] == ["0", "1", "2"]
    assert int(session) == child.pid


@pytest.mark.usefixtures("company")
def test_without_input_it_reads_nothing_and_complaints_may_go_the_way_of_the_output() -> None:
    child = start(command("/bin/sh", "-c", "cat; echo said; echo complaint >&2"))
    assert (child.stdin, child.stderr) == (None, None)
    assert ended(child) == (0, b"said\ncomplaint\n", b"")


@pytest.mark.usefixtures("company")
def test_it_may_read_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the file\n")
    with (tmp_path / "file").open("rb") as file:
        assert ended(start(command("/bin/cat", stdin_fd=file.fileno()))) == (0, b"from the file\n", b"")


@pytest.mark.usefixtures("company")
def test_no_descriptor_of_ours_gets_there() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        code, out, _ = ended(start(command("/bin/sh", "-c", f"[ ! -e /proc/$$/fd/{writing} ] && echo none")))
        assert (code, out) == (0, b"none\n")
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.usefixtures("company")
def test_a_signal_that_python_ignores_is_not_ignored_there() -> None:
    # A shell cannot trap what was ignored when it began.
    code, _, _ = ended(start(command("/bin/sh", "-c", "kill -PIPE $$; exit 0")))
    assert code == -13


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (command(), ValueError),
        (command("/bin/true", "a\0b"), ValueError),
        (command("/bin/true", env={"A=B": "c"}), ValueError),
        (command("/nowhere/program"), FileNotFoundError),
        (command("/bin/true", cwd="/nowhere"), FileNotFoundError),
        (command("/etc/passwd"), PermissionError),
    ],
)
def test_what_cannot_start_is_an_error(asked: Command, error: type[Exception]) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    with pytest.raises(error):
        start(asked)
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208


@pytest.mark.usefixtures("company")
def test_the_error_says_whether_folder_or_program_is_missing() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        start(command("/bin/true", cwd="/nowhere"))
    assert caught.value.filename == "/nowhere"


@pytest.mark.usefixtures("company")
def test_a_program_is_searched_for_as_elsewhere() -> None:
    assert ended(start(command("true"))) == (0, b"", b"")


@quick_only
def test_beside_other_threads_it_does_not_take_python_s_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it would wait with the lock held")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        assert ended(start(command("/bin/echo", "quick"))) == (0, b"quick\n", b"")
    finally:
        over.set()
        other.join()
