"""A usage limit is waited out within the session, which then goes on; stops reach one that waits (SPEC 6)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from datetime import UTC, datetime, timedelta
from signal import SIGINT, SIGKILL
from typing import TYPE_CHECKING

import pytest

from pitboss.core.text import CONTINUE
from tests.support.acts import (
    SESSION,
    Player,
    busy,
    done,
    init,
    limited,
    message,
    quota,
    replayed,
    result,
    said,
)
from tests.support.cli import COMMAND, Project, wait_until
from tests.support.disk import names
from tests.support.runs import Live, Run, billed, configure, grinding, instruct, the_run, verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STOPPED = "rate_limited: stopped while it waited for claude_code's usage limit"
HALF = "echo half >>work.txt"
WHOLE = "echo whole >>work.txt"


def stage(
    folder: Path, *acts: str, more: str = "", grind: str = "", **meta: object
) -> tuple[Project, Player]:
    """A project with one prompt for Claude Code, which plays these acts."""
    project = Project.create(folder / "repo")
    configure(project, agent="claude_code", more=more, grind=grind)
    instruct(project, "chore", max_runs=1, **meta)
    return project, Player(project, "claude", *acts)


def waiting(project: Project, seq: int = 1) -> Run:
    """The run, once its session is seen to wait."""
    runs = project.root / ".pitboss/grind/runs"
    wait_until(lambda: any(runs.glob("*/state.json")))
    run = the_run(project)
    wait_until(lambda: any(s["seq"] == seq and s.get("waits_until") for s in run.state.get("in_flight", [])))
    said, events = re.compile(rf'"seq":{seq},.*"phase":"wait"'), run.folder / "events.jsonl"
    wait_until(lambda: events.exists() and said.search(events.read_text()) is not None)  # a moment later
    return run


def test_a_limited_session_waits_and_goes_on_in_the_same_tree_and_is_one_record(tmp_path: Path) -> None:
    first = f"{HALF}\n{limited(resets_in=3)}"
    second = f"{WHOLE}\n{done(usd=0.014, whole=(1300, 70))}"
    project, claude = stage(tmp_path, first, second)
    ended = project.pitboss("grind")
    run = the_run(project)
    (record,) = run.records
    assert (ended.code, claude.starts) == (0, 2)
    assert verdict(record) == ("ok", None, True, 0)
    assert run.files(run.branch) == {"work.txt": "half\nwhole\n"}
    assert (record["attempts"], record["agent"]) == (2, "claude_code")
    assert 5.0 <= record["waited_s"] <= 60.0
    assert billed(record) == (1300, 70, 0.014, True)
    assert run.state["budget_consumed"]["cost_usd"] == record["cost_usd"]
    assert "--resume" not in claude.args(1)
    asked = claude.args(2)
    assert asked[asked.index("--resume") + 1] == SESSION
    assert claude.stdin(2) == CONTINUE
    assert {"session-0001.log", "session-0001.attempt-02.log"} <= set(names(run.folder / "transcripts"))
    assert "session-0001 chore: waiting for claude_code's usage limit until 20" in ended.err


def test_the_capture_of_a_limit_waits_and_starts_the_agent_no_second_time(tmp_path: Path) -> None:
    project, claude = stage(tmp_path, replayed("claude", "oauth_usage_limit"))
    with grinding(project):
        run = waiting(project)
        status = project.pitboss("status")
        seen = project.pitboss("status", "--json").json()
        until = run.state["in_flight"][0]["waits_until"]
    ends = seen["quota"]["claude_code"]["five_hour"]["resets_at"]
    assert 5 <= datetime.fromisoformat(until).timestamp() - ends <= 31
    assert "in flight" in status.out
    assert f"waiting for claude_code's usage limit until {until[:10]}" in status.out
    assert "claude_code: 5-hour 100% until 20" in status.out
    assert "7-day 42% until 20" in status.out
    assert seen["in_flight"][0]["waits_until"] is not None
    assert claude.starts == 1


def test_the_footer_counts_down_and_keeps_what_was_spent(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, limited())
    screen, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    os.set_blocking(screen, False)
    printed = bytearray()

    def counts_down() -> bool:
        with contextlib.suppress(OSError):
            printed.extend(os.read(screen, 1 << 20))
        return (
            re.search(rb"waiting for claude_code's usage limit, (1h00m|59m\d\ds) left", printed) is not None
        )

    process = subprocess.Popen(
        [*COMMAND, "grind"],
        cwd=project.root,
        env=project.env | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        wait_until(counts_down)
        del printed[:]
        wait_until(lambda: counts_down() and b"1.1k tokens" in printed)
        process.send_signal(SIGINT)
        wait_until(lambda: [counts_down(), process.poll() is not None][1])
    finally:
        process.kill()
        os.close(screen)
    assert process.wait() == 0
    assert "waited" in project.pitboss("show", the_run(project).run_id, "1").out


def ctrl_c(_: Project, live: Live) -> None:
    live.send(SIGINT)


def ctrl_c_twice(_: Project, live: Live) -> None:
    live.send(SIGINT)
    live.send(SIGINT)


def stop(project: Project, _: Live) -> None:
    said = project.pitboss("stop")
    assert said.code == 0
    assert said.out.endswith(
        "stops now: session-0001 (chore) will be recorded as aborted, its work rescued\n"
    )


def stop_now(project: Project, _: Live) -> None:
    assert project.pitboss("stop", "--now").code == 0


@pytest.mark.parametrize(
    ("ask", "codes", "words"),
    [
        (ctrl_c, {0}, "drained on request"),
        (ctrl_c_twice, {0, 2}, "on request"),
        (stop, {0}, "drained on request"),
        (stop_now, {2}, "aborted on request"),
    ],
)
def test_a_stop_ends_a_session_that_waits_and_keeps_its_work(
    tmp_path: Path, ask: Callable[[Project, Live], None], codes: set[int], words: str
) -> None:
    project, claude = stage(tmp_path, f"{HALF}\n{limited()}")
    instruct(project, "later", max_runs=1)
    with grinding(project) as live:
        run = waiting(project)
        ask(project, live)
        ended = live.ended()
    (record,) = run.records
    assert ended.code in codes, ended
    assert words in run.state["stop_reason"]
    assert verdict(record) == ("aborted", STOPPED, False, 1)
    assert billed(record) == (1000, 50, 0.01, True)
    assert "attempts" not in record
    assert record["waited_s"] > 0
    assert run.rescued("chore") == {"work.txt": "half\n"}
    assert claude.starts == 1


def test_until_ends_a_session_that_waits(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, limited())
    until = datetime.now(UTC) + timedelta(seconds=6)
    ended = project.pitboss("grind", "--until", until.isoformat())
    run = the_run(project)
    assert ended.code == 3, ended
    assert verdict(run.record("chore")) == ("aborted", STOPPED, False, 0)
    assert run.state["stop_reason"].startswith("until reached: ")


def test_a_skip_ends_a_session_that_waits_and_the_run_goes_on(tmp_path: Path) -> None:
    project, _ = stage(tmp_path, limited())
    project.prompt("other", "echo other >other.txt", max_runs=1, agent="shell")
    with grinding(project) as live:
        run = waiting(project)
        assert project.pitboss("skip").code == 0
        ended = live.ended()
    assert ended.code == 0, ended
    assert verdict(run.record("chore")) == ("skipped", "skipped", False, 0)
    assert billed(run.record("chore")) == (1000, 50, 0.01, True)
    assert verdict(run.record("other")) == ("ok", None, True, 0)


def test_a_killed_runner_that_waited_leaves_one_aborted_record_billed_for_its_attempt(tmp_path: Path) -> None:
    project, claude = stage(tmp_path, f"{HALF}\n{limited()}")
    with grinding(project) as live:
        run = waiting(project)
        since = datetime.fromisoformat(run.state["in_flight"][0]["waits_since"]).timestamp()
        os.kill(live.runner(), SIGKILL)
        live.ended()
    gone_at = (run.folder / "ended").stat().st_mtime
    assert project.pitboss("grind", "--resume").code == 0
    (record,) = run.records
    assert record["waited_s"] == pytest.approx(gone_at - since, abs=0.01)
    assert verdict(record) == ("aborted", "interrupted", False, 1)
    assert billed(record) == (1000, 50, 0.01, True)
    assert ("attempts" in record, record["agent"], claude.starts) == (False, "claude_code", 1)


def test_a_runner_killed_in_the_second_attempt_is_billed_for_both_once(tmp_path: Path) -> None:
    going_on = said(init(), message("two", 300, 20))
    project, _ = stage(
        tmp_path,
        f"{HALF}\n{busy()}",
        f"{going_on}\n: >{tmp_path}/on\nexec sleep 60",
        more="[limits]\nretry_base_seconds = 0.01",
    )
    with grinding(project) as live:
        wait_until((tmp_path / "on").exists)
        run = the_run(project)
        transcript = run.folder / "transcripts/session-0001.attempt-02.log"
        wait_until(lambda: b'"two"' in transcript.read_bytes())
        os.kill(live.runner(), SIGKILL)
        live.ended()
    assert project.pitboss("grind", "--resume").code == 0
    (record,) = run.records
    assert verdict(record) == ("aborted", "interrupted", False, 1)
    assert billed(record) == (1300, 70, round(0.01 + (300 * 3 + 20 * 15) / 1e6, 6), True)
    assert record["attempts"] == 2


def test_a_limit_without_a_date_is_waited_for_up_to_max_wait(tmp_path: Path) -> None:
    limit = replayed("claude", "usage_limit")
    project, claude = stage(tmp_path, limit, limit, more='[limits]\nmax_wait = "1s"')
    ended = project.pitboss("grind")
    (record,) = the_run(project).records
    assert (ended.code, claude.starts) == (5, 2)
    assert record["status"] == "error"
    assert record["reason"].startswith("rate_limited: API Error")
    assert record["attempts"] == 2
    assert 0.9 <= record["waited_s"] < 60.0
    assert "[limits] fallback" in ended.err


def test_a_date_that_cannot_be_is_none(tmp_path: Path) -> None:
    absurd = limited(resets_in=10**12)
    project, _ = stage(tmp_path, absurd, done(), more='[limits]\nmax_wait = "1s"')
    ended = project.pitboss("grind")
    (record,) = the_run(project).records
    assert (ended.code, record["status"], record["attempts"]) == (0, "ok", 2)
    assert project.pitboss("status").code == 0


@pytest.mark.parametrize("grind", ["max_parallel = 2", 'max_parallel = 2\nmode = "worktree"'])
def test_a_session_beside_one_that_met_the_limit_does_not_run_into_it(tmp_path: Path, grind: str) -> None:
    gate = f"for _ in $(seq 1500); do [ ! -e {tmp_path}/open ] || break; sleep 0.02; done"
    project, claude = stage(tmp_path, limited(), grind=grind, parallel_safe=True)
    configure(
        project,
        agent="claude_code",
        grind=grind,
        more=f"[grind.hooks]\npre_session = '[ $PITBOSS_SESSION_SEQ = 1 ] || {{ {gate}; }}'",
    )
    instruct(project, "other", max_runs=1, parallel_safe=True)
    with grinding(project) as live:
        run = waiting(project)
        (tmp_path / "open").touch()
        waiting(project, 2)
        live.send(SIGINT)
        assert live.ended().code == 0
    assert claude.starts == 1
    assert [verdict(r)[:2] for r in run.records] == [("aborted", STOPPED)] * 2
    assert sorted(billed(r) for r in run.records) == [(0, 0, 0.0, True), (1000, 50, 0.01, True)]


def healthy(used: float, *, resets_in: int = 3600) -> str:
    return said(init(), quota(used), message("one", 100, 10), result((100, 10), 0.001), resets_in=resets_in)


def test_a_quota_that_is_nearly_used_up_holds_the_next_session_back_until_it_renews(tmp_path: Path) -> None:
    project, claude = stage(
        tmp_path, healthy(0.96, resets_in=5), healthy(0.01), more="[limits]\npause_at = 0.95"
    )
    instruct(project, "later", max_runs=1)
    ended = project.pitboss("grind")
    run = the_run(project)
    assert (ended.code, claude.starts) == (0, 2)
    assert [verdict(r)[0] for r in run.records] == ["ok", "ok"]
    first, later = run.records
    assert ("waited_s" in first, "attempts" in later) == (False, False)
    assert 0 < later["waited_s"] < 60
    assert run.state["quota"]["claude_code"]["five_hour"]["used"] == 0.01


@pytest.mark.parametrize(("used", "more"), [(0.94, "[limits]\npause_at = 0.95"), (0.99, "")])
def test_a_quota_below_the_mark_or_without_one_holds_nobody_back(
    tmp_path: Path, used: float, more: str
) -> None:
    project, claude = stage(tmp_path, healthy(used), healthy(used), more=more)
    instruct(project, "later", max_runs=1)
    assert project.pitboss("grind").code == 0
    assert claude.starts == 2
    assert ["waited_s" in r for r in the_run(project).records] == [False, False]


@pytest.mark.parametrize("moment", [-1, 1e300, "soon", None, True, []])
def test_an_end_that_is_no_time_is_no_end(tmp_path: Path, moment: object) -> None:
    window = {"utilization": 0.4, "resetsAt": moment, "status": "allowed"}
    info = {"status": "allowed", "resetsAt": moment, "unifiedWindows": {"five_hour": window}}
    told = said(init(), {"type": "rate_limit_event", "rate_limit_info": info})
    project, _ = stage(tmp_path, f"{told}\n{done()}")
    ended = project.pitboss("grind")
    assert ended.code == 0, ended
    assert the_run(project).state["quota"]["claude_code"]["five_hour"]["used"] == 0.4


def side_by_side(tmp_path: Path, *acts: str, more: str = "", grind: str = "") -> Project:
    """Two prompts side by side: one waits an hour for Claude Code, the other works with `command`."""
    script = tmp_path / "other.sh"
    script.write_text("\n".join(acts))
    project, _ = stage(
        tmp_path,
        limited(),
        more=f'[agent.command]\ncommand = ["sh", "{script}"]\n{more}',
        grind=f"max_parallel = 2\n{grind}",
        parallel_safe=True,
    )
    instruct(project, "other", max_runs=9, parallel_safe=True, agent="command")
    return project


def until_it_waits(tmp_path: Path) -> str:
    states = f"{tmp_path}/repo/.pitboss/grind/runs/*/state.json"
    return f"while ! grep -q waits_until {states}; do sleep 0.05; done"


def test_a_run_that_stops_for_failures_waits_for_no_limit(tmp_path: Path) -> None:
    project = side_by_side(tmp_path, until_it_waits(tmp_path), "exit 3")
    config = project.root / ".pitboss/config.toml"
    config.write_text(
        config.read_text().replace("consecutive_failure_limit = 0", "consecutive_failure_limit = 2")
    )
    ended = project.pitboss("grind")
    assert ended.code == 5, ended
    chore = the_run(project).record("chore")
    assert (chore["status"], chore["reason"]) == ("aborted", STOPPED)


def test_a_hard_cap_ends_a_wait_as_well(tmp_path: Path) -> None:
    report = """printf '{"input_tokens": 9, "cost_usd": 3}' >$PITBOSS_USAGE_FILE"""
    project = side_by_side(tmp_path, until_it_waits(tmp_path), report, more="[budgets]\nhard = true")
    ended = project.pitboss("grind", "--max-cost", "2")
    assert ended.code == 3, ended
    assert the_run(project).record("chore")["status"] == "aborted"


def test_a_hard_end_of_time_ends_the_wait_before_a_retry(tmp_path: Path) -> None:
    limits = "[limits]\nretry_base_seconds = 60\n[budgets]\nhard = true"
    project, claude = stage(tmp_path, busy(), done(), more=limits)
    ended = project.pitboss("grind", "--until", "4s")
    assert (ended.code, claude.starts) == (3, 1)
    assert the_run(project).records[0]["status"] == "aborted"


def test_stopped_before_a_second_attempt_there_was_one(tmp_path: Path) -> None:
    told = said(quota(0.95))
    limits = "[limits]\nretry_base_seconds = 0.01\npause_at = 0.9"
    project, claude = stage(tmp_path, f"{told}\n{busy()}", done(), more=limits)
    with grinding(project) as live:
        run = waiting(project)
        live.send(SIGINT)
        live.ended()
    (record,) = run.records
    assert ("attempts" in record, record["model"], claude.starts) == (False, "claude-sonnet-4-5", 1)
