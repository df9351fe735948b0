"""Nobody who looks can slow or stop a run: unread pipes, paused terminals, readers that are gone (SPEC 9)."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest

from pitboss.core.view import View, fold
from pitboss.store.event_log import decode_event
from tests.support.cli import COMMAND, PATIENCE_S, Project, wait_until
from tests.support.runs import Gate, grinding, the_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALLEST_PIPE = 4096
MANY = 60
"""Sessions whose lines are more than such a pipe takes."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "echo $PITBOSS_SESSION_SEQ >work.txt")
    return project


@pytest.fixture
def unread() -> Iterator[tuple[int, int]]:
    """A small pipe that nobody reads: its two ends."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def start(project: Project, *args: str, out: int, err: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "grind", *args],
        cwd=project.root,
        env=project.env | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
    )


def test_a_run_whose_stderr_nobody_reads_goes_on_to_its_end(
    project: Project, unread: tuple[int, int]
) -> None:
    process = start(project, "--max-iterations", str(MANY), out=subprocess.DEVNULL, err=unread[1])
    assert process.wait(PATIENCE_S) == 3
    assert len(the_run(project).records) == MANY


def test_a_paused_terminal_pauses_no_run(project: Project) -> None:
    ours, theirs = pty.openpty()
    try:
        termios.tcflow(theirs, termios.TCOOFF)
        process = start(project, "--max-iterations", "5", out=theirs, err=theirs)
        assert process.wait(PATIENCE_S) == 3
    finally:
        os.close(ours)
        os.close(theirs)
    assert len(the_run(project).records) == 5


def test_signals_and_until_count_while_nobody_reads(project: Project, unread: tuple[int, int]) -> None:
    process = start(project, out=subprocess.DEVNULL, err=unread[1])
    records = project.root / ".pitboss/grind/runs"
    wait_until(
        lambda: len("".join(log.read_text() for log in records.glob("*/sessions.jsonl")).splitlines()) > MANY
    )
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) in (0, 2)


def test_a_json_reader_that_stops_reading_is_left_and_told_of(
    project: Project, unread: tuple[int, int]
) -> None:
    process = start(project, "--json", "--max-iterations", "12", out=unread[1], err=subprocess.PIPE)
    _, err = process.communicate(timeout=PATIENCE_S)
    run = the_run(project)
    assert process.returncode == 3
    os.set_blocking(unread[0], False)
    taken = os.read(unread[0], 1 << 20).count(b"\n")
    said = [line for line in err.decode().splitlines() if "not taken" in line]
    assert said == [
        f"warning: {13 - taken} lines were not taken on stdout: `pitboss log {run.run_id} --json` has those of sessions"
    ]
    assert len(project.pitboss("log", run.run_id, "--json").out.splitlines()) == 12


def test_a_full_disk_under_json_lines_is_told_in_words_and_costs_no_session(project: Project) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = start(project, "--json", "--max-iterations", "3", out=full.fileno(), err=subprocess.PIPE)
        _, err = process.communicate(timeout=PATIENCE_S)
    run = the_run(project)
    assert (process.returncode, len(run.records)) == (3, 3)
    assert [line for line in err.decode().splitlines() if line.startswith("warning: ")] == [
        (
            "warning: 4 lines were not taken on stdout (No space left on device): "
            f"`pitboss log {run.run_id} --json` has those of sessions"
        )
    ]


def test_a_slow_json_reader_gets_every_line(project: Project, unread: tuple[int, int]) -> None:
    process = start(project, "--json", "--max-iterations", "20", out=unread[1], err=subprocess.DEVNULL)
    run_id = ""
    lines: list[bytes] = []
    pending = b""
    wait_until(lambda: any((project.root / ".pitboss/grind/runs").glob("*/sessions.jsonl")))
    while not run_id:
        pending += os.read(unread[0], 700)
        *whole, pending = pending.split(b"\n")
        lines += whole
        run_id = next((json.loads(line)["run_id"] for line in lines if b'"exit_code"' in line), "")
    assert process.wait(PATIENCE_S) == 3
    assert [json.loads(line).get("seq") for line in lines] == [*range(1, 21), None]
    assert [json.loads(line) for line in lines[:-1]] == the_run(project).records


def test_a_json_reader_that_is_gone_ends_nothing(project: Project) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(project, "--json", "--max-iterations", "3", out=theirs, err=subprocess.DEVNULL)
    os.close(theirs)
    assert process.wait(PATIENCE_S) == 3
    assert len(the_run(project).records) == 3


@pytest.mark.parametrize(
    "deed", ["rm -f", "rm -rf $(dirname {0}) ||", "printf garbage >>", "ln -sf /etc/passwd"]
)
def test_what_an_agent_does_to_events_costs_no_session(tmp_path: Path, deed: str) -> None:
    project = Project.create(tmp_path / "repo")
    events = "$(dirname $PITBOSS_SCRATCHPAD)/events.jsonl"
    project.prompt(
        "chore", f"echo $PITBOSS_SESSION_SEQ >work.txt; {deed.format(events)} {events}", max_runs=3
    )
    done = project.pitboss("grind")
    assert done.code in (0, 1), done
    assert [record["seq"] for record in the_run(project).records] == [1, 2, 3]


def test_the_events_of_a_run_tell_all_of_it_and_folded_what_the_end_says(project: Project) -> None:
    project.pitboss("grind", "--max-iterations", "2")
    project.pitboss("grind", "--resume", "--max-iterations", "3")
    done = project.pitboss("events")
    assert project.pitboss("events", "--json") == done
    events = [json.loads(line) for line in done.out.splitlines()]
    kinds = [event["kind"] for event in events if event["kind"] not in ("phase", "warned", "repaired")]
    session = ["session_started", "session_ended"]
    assert kinds == [
        *("run_started", *session, *session, "run_ended"),
        *("run_started", *session, "run_ended"),
    ]
    assert [event["record"] for event in events if event["kind"] == "session_ended"] == the_run(
        project
    ).records
    assert events[0]["prompts"][0]["name"] == "chore"
    view = View()
    for line in done.out.encode().splitlines():
        read = decode_event(line)
        assert read is not None
        view = fold(view, read)
    assert (view.used.iterations, len(view.recent), view.in_flight) == (3, 3, ())


def test_status_of_a_live_run_shows_what_its_sessions_do(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    gate = Gate(tmp_path / "gate")
    project.write(".pitboss/config.toml", f"[agent]\nbackend = 'shell'\n[tests]\ncommand = '{gate.script}'\n")
    project.prompt("chore", "echo text >work.txt", verify=True, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        wait_until(lambda: project.pitboss("status", "--json").json()["in_flight"][0]["phase"] == "verify")
        (flight,) = project.pitboss("status", "--json").json()["in_flight"]
        shown = project.pitboss("status").out
        gate.open()
        live.ended()
    assert flight["tokens"] == {"input": 0, "output": 0}
    assert (flight["cost_usd"], flight["cost_known"], flight["until"]) == (0.0, True, None)
    assert "session-0001 chore since " in shown
    assert ", running the tests\n" in shown


def test_events_are_followed_while_the_run_lives(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        with project.started("events", "-f") as follower:
            assert follower.stdout is not None
            assert json.loads(follower.stdout.readline())["kind"] == "run_started"
            gate.open()
            live.ended()
            rest = follower.stdout.read().splitlines()
            assert json.loads(rest[-1])["kind"] == "run_ended"
            assert follower.wait(PATIENCE_S) == 0
