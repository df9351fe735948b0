"""A command from start to Exit: exit codes, stdin, stdout, stderr, transcript, what cannot start (SPEC 6)."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from pitboss import proctree
from pitboss.errors import RunDirectoryGone, StorageError
from pitboss.process import Command, EndedBy, run

ANY_BYTES = bytes(range(256)) * 3 + b"\xff\xfe no line end"


def sh(source: str, cwd: Path, **rules: object) -> Command:
    return Command(argv=("sh", "-c", source), cwd=str(cwd), **rules)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill -15 $$", -15)]
)
def test_an_exit_code_is_reported_as_it_is_and_a_signal_as_its_negative(
    tmp_path: Path, source: str, code: int
) -> None:
    ended = run(sh(source, tmp_path))
    assert (ended.code, ended.ended_by, ended.stop, ended.error) == (code, EndedBy.EXIT, None, None)
    assert 0 < ended.seconds < 5


def test_output_reaches_transcript_callable_and_tail_byte_by_byte(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(ANY_BYTES)
    transcript = tmp_path / "session.log"
    transcript.write_bytes(b"before ")
    heard: list[bytes] = []
    ended = run(sh("cat bytes; cat bytes >&2", tmp_path, transcript=str(transcript)), on_output=heard.append)
    assert transcript.read_bytes() == b"before " + ANY_BYTES * 2
    assert b"".join(heard) == ended.tail == ANY_BYTES * 2


def test_the_tail_is_the_last_8_kib(tmp_path: Path) -> None:
    ended = run(sh("head -c 100000 /dev/zero; printf end", tmp_path))
    assert ended.tail == b"\0" * (8 * 1024 - 3) + b"end"


def test_stderr_kept_apart_goes_to_a_file_of_its_own_and_not_to_the_transcript(tmp_path: Path) -> None:
    transcript, errors = tmp_path / "log", tmp_path / "err"
    command = sh("echo out; echo err >&2", tmp_path, transcript=str(transcript), merge_stderr=False)
    assert run(command).tail == b"out\n"
    run(sh("echo err >&2", tmp_path, merge_stderr=False, stderr_path=str(errors)))
    assert (transcript.read_bytes(), errors.read_bytes()) == (b"out\n", b"err\n")


def test_no_stderr_file_is_made_for_a_command_that_says_nothing_there(tmp_path: Path) -> None:
    run(sh("echo out", tmp_path, merge_stderr=False, stderr_path=str(tmp_path / "err")))
    assert list(tmp_path.iterdir()) == []


def test_on_start_learns_pid_and_start_time_of_the_live_leader(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    known: list[proctree.ProcessInfo | None] = []

    def on_start(pid: int, started: int | None) -> None:
        seen.append((pid, started))
        known.append(proctree.facts(pid))

    ended = run(sh("read line; echo $$ $line", tmp_path, stdin=b"go\n"), on_start=on_start)
    [(pid, started)], [facts] = seen, known
    assert ended.tail == f"{pid} go\n".encode()
    leads_a_session = proctree.ProcessInfo(
        zombie=False, parent=os.getpid(), session=pid, started=started or 0
    )
    assert facts == leads_a_session


def test_without_stdin_the_child_reads_dev_null(tmp_path: Path) -> None:
    assert run(sh("readlink /proc/self/fd/0; wc -c", tmp_path)).tail == b"/dev/null\n0\n"


def test_ten_megabytes_of_stdin_arrive_whole_while_output_is_drained(tmp_path: Path) -> None:
    text = os.urandom(1024) * 10 * 1024
    heard: list[bytes] = []
    ended = run(sh("cat", tmp_path, stdin=text), on_output=heard.append)
    assert ended.code == 0
    assert b"".join(heard) == text


@pytest.mark.parametrize("source", ["echo done", "exec 0<&-; echo done", "head -c 10 > part; echo done"])
def test_a_child_that_does_not_read_ten_megabytes_of_stdin_is_no_problem(tmp_path: Path, source: str) -> None:
    ended = run(sh(source, tmp_path, stdin=b"x" * 10_000_000))
    assert (ended.code, ended.tail) == (0, b"done\n")


def test_env_replaces_ours_and_is_searched_for_the_program(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\necho $WORD\n")
    program.chmod(0o755)
    ended = run(Command(argv=("agent",), cwd="/", env={"PATH": str(tmp_path), "WORD": "hello"}))
    assert ended.tail == b"hello\n"


def _no_program(folder: Path) -> tuple[Command, str]:
    return Command(argv=("no-such-agent",), cwd=str(folder)), "cannot start no-such-agent: no such program"


def _no_permission(folder: Path) -> tuple[Command, str]:
    (folder / "agent").write_text("echo")
    name = str(folder / "agent")
    return Command(
        argv=(name,), cwd=str(folder)
    ), f"cannot start {name}: it may not be executed (permission denied)"


def _no_program_at_all(folder: Path) -> tuple[Command, str]:
    (folder / "agent").write_text("echo")
    (folder / "agent").chmod(0o755)
    name = str(folder / "agent")
    return (
        Command(argv=(name,), cwd=str(folder)),
        f"cannot start {name}: it is not a program this system can run (a script needs a #! line)",
    )


def _no_folder(folder: Path) -> tuple[Command, str]:
    gone = str(folder / "gone")
    return Command(
        argv=("sh",), cwd=gone
    ), f"cannot start sh: cannot work in {gone}: No such file or directory"


def _too_long(folder: Path) -> tuple[Command, str]:
    return (
        Command(argv=("echo", "x" * 300_000), cwd=str(folder)),
        "cannot start echo: its arguments and environment are longer than this system allows",
    )


def _nul(folder: Path) -> tuple[Command, str]:
    return Command(argv=("echo", "a\0b"), cwd=str(folder)), "cannot start echo: embedded null byte"


def _nothing(folder: Path) -> tuple[Command, str]:
    return Command(argv=(), cwd=str(folder)), "cannot start an empty command: there is nothing to run"


@pytest.mark.parametrize(
    "case", [_no_program, _no_permission, _no_program_at_all, _no_folder, _too_long, _nul, _nothing]
)
def test_what_cannot_start_is_an_exit_with_a_sentence(tmp_path: Path, case) -> None:  # type: ignore[no-untyped-def]
    command, sentence = case(tmp_path)
    ended = run(command)
    assert (ended.code, ended.ended_by, ended.error) == (None, EndedBy.SPAWN_FAILED, sentence)


def test_a_full_disk_ends_the_child_and_is_a_storage_error(tmp_path: Path) -> None:
    leaders: list[int] = []
    command = sh("while :; do echo more; done", tmp_path, transcript="/dev/full")
    with pytest.raises(StorageError, match=r"^cannot write /dev/full: No space left on device$"):
        run(command, on_start=lambda pid, _: leaders.append(pid))
    assert proctree.alive(leaders) == []


def test_no_child_is_started_when_the_transcripts_folder_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryGone):
        run(sh("touch started", tmp_path, transcript=str(tmp_path / "gone" / "session.log")))
    assert list(tmp_path.iterdir()) == []


class Broken(Exception):
    """Raised by a callable of the caller."""


def _raise(*_: object) -> None:
    raise Broken


@pytest.mark.parametrize("callable_name", ["on_output", "stop"])
def test_a_callable_that_raises_ends_the_child_before_its_exception_goes_on(
    tmp_path: Path, callable_name: str
) -> None:
    transcript = tmp_path / "log"
    source = "exec 2> /dev/null; trap 'echo last words; exit' TERM; echo $$; while :; do sleep 0.02; done"
    with pytest.raises(Broken):
        run(sh(source, tmp_path, transcript=str(transcript)), **{callable_name: _raise})
    leader, last_words = transcript.read_text().splitlines()
    assert (proctree.start_time(int(leader)), last_words) == (None, "last words")


def test_an_on_start_that_raises_ends_the_child_before_its_exception_goes_on(tmp_path: Path) -> None:
    leaders: list[int] = []

    def on_start(pid: int, _: int | None) -> None:
        leaders.append(pid)
        raise Broken

    with pytest.raises(Broken):
        run(sh("sleep 300", tmp_path), on_start=on_start)
    assert len(leaders) == 1
    assert proctree.alive(leaders) == []


def test_200_runs_leave_no_descriptor_no_child_and_no_thread_behind(tmp_path: Path) -> None:
    def held() -> tuple[int, list[int], int]:
        return (
            len(list(Path("/proc/self/fd").iterdir())),
            proctree.children(os.getpid()),
            threading.active_count(),
        )

    run(sh("cat", tmp_path, stdin=b"x", transcript=str(tmp_path / "log")))
    before = held()
    for _ in range(100):
        run(sh("cat", tmp_path, stdin=b"x", transcript=str(tmp_path / "log")))
        run(Command(argv=("no-such-agent",), cwd=str(tmp_path), stdin=b"x"))
    assert held() == before


def test_children_inherit_nothing_but_their_three_streams(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        lister = "import os; print(sorted(os.listdir('/proc/self/fd')))"
        ended = run(Command(argv=(sys.executable, "-S", "-E", "-c", lister), cwd="/", stdin=b"x"))
    assert ended.tail == b"['0', '1', '2', '3']\n", "3 is the listing's own"
