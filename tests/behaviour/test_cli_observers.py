"""`runs`, `status`, `log` and `show`: what they say of runs that ended, crashed or cannot be read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pitboss.core.session import SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.store.record_codec import encode_record
from pitboss.store.rundir import RunDir
from tests.support.cli import Project
from tests.support.values import flying, record, run_state

if TYPE_CHECKING:
    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"


def documented(heading: str) -> list[str]:
    """The keys that docs/reference/json.md lists under a heading."""
    section = REFERENCE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def on_disk(project: Project, state: RunState, *records: SessionRecord) -> None:
    with RunDir.create(project.root, state) as rundir:
        for each in records:
            rundir.record(msgspec.structs.replace(each, run_id=state.run_id))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a run of three sessions: one landed, one changed nothing, one failed and was rescued."""
    project = Project.create(tmp_path_factory.mktemp("ground") / "project")
    project.prompt("a-land", 'echo new > new.txt; echo "Added a file." > "$PITBOSS_SUMMARY_FILE"')
    project.prompt("b-idle", "echo nothing to do")
    project.prompt("c-fail", "echo half > half.txt\nexit 3")
    done = project.pitboss("grind", "--max-iterations", "3")
    assert done.code == 3, done
    return project


def the_run(project: Project) -> dict[str, Any]:
    (run,) = project.pitboss("runs", "--json").json()
    assert isinstance(run, dict)
    return run


class TestRuns:
    def test_no_runs_are_no_error(self, project: Project) -> None:
        assert project.pitboss("runs") == (0, "no runs yet\n", "")
        assert project.pitboss("runs", "--json").json() == []

    def test_every_run_is_a_line_newest_first_and_unreadable_ones_are_shown(self, project: Project) -> None:
        ago = datetime.now(UTC) - timedelta(minutes=90)
        on_disk(project, run_state(run_id="crashed", last_updated_at=ago))
        later = ago + timedelta(minutes=30)
        ended = run_state(
            run_id="ended", last_updated_at=later, status=RunStatus.ABORTED, stop_reason="drained on request"
        )
        on_disk(project, ended)
        on_disk(project, run_state(run_id="broken"))
        project.write(".pitboss/grind/runs/broken/state.json", "{not json")

        done = project.pitboss("runs")

        assert (done.code, done.err) == (0, "")
        header, *rows = (re.split(r"  +", line) for line in done.out.splitlines())
        assert header == ["RUN", "STATE", "SESSIONS", "TOKENS", "COST", "UPDATED", "WHY"]
        assert [row[:2] for row in rows] == [
            ["broken", "unreadable"],
            ["ended", "stopped"],
            ["crashed", "crashed"],
        ]
        assert rows[0][-1].startswith("parsing ")
        assert rows[1][2:] == [
            "3",
            "2.2k",
            "$0.04",
            f"{later:%Y-%m-%dT%H:%M:%SZ} (1 h ago)",
            "on request",
        ]

    def test_what_a_resume_begins_with_is_the_next_prompt_where_the_files_tell(
        self, project: Project
    ) -> None:
        def following() -> object:
            return project.pitboss("status", "--json").json()["next_pick"]

        project.prompt("alpha", "true", max_runs=2)
        project.prompt("bravo", "true", every=3)
        assert project.pitboss("grind", "--max-iterations", "1").code == 3
        assert following() == "alpha"
        assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
        assert following() == "bravo"
        prompts = project.root / ".pitboss/grind/prompts"
        project.prompt("charlie", "true")
        assert following() is None, "a resume would be refused"
        (prompts / "charlie.md").unlink()
        project.prompt("bravo", "true", max_runs=0)
        assert following() is None, "nobody may run"
        (prompts / "bravo.md").write_text("garbage")
        assert following() is None

    def test_json_has_the_documented_keys(self, ground: Project) -> None:
        run = the_run(ground)

        assert sorted(run) == sorted(documented("runs"))
        assert (run["condition"], run["status"], run["sessions"]) == ("aborted", "aborted", 3)
        assert run["stop_reason"] == "max-iterations reached: 3 >= 3"

    def test_json_of_an_unreadable_run_has_the_same_keys(self, project: Project) -> None:
        on_disk(project, run_state(run_id="broken"))
        project.write(".pitboss/grind/runs/broken/state.json", "")

        run = the_run(project)

        assert sorted(run) == sorted(documented("runs"))
        assert {key for key, value in run.items() if value is not None} == {"run_id", "condition", "problem"}
        assert run["condition"] == "unreadable"


class TestStatus:
    def test_a_run_is_described_with_its_last_sessions_and_how_to_go_on(self, ground: Project) -> None:
        run = the_run(ground)

        done = ground.pitboss("status")

        lines = done.out.splitlines()
        fields = dict(re.split(r"  +", line, maxsplit=1) for line in lines[:8])
        assert list(fields) == ["run", "state", "branch", "rotation", "started", "updated", "used", "next"]
        assert fields["run"] == run["run_id"]
        assert fields["state"] == "stopped at its limit: 3 of 3 sessions"
        first = ground.git("rev-list", "--max-parents=0", "HEAD")[:7]
        assert fields["branch"] == f"pitboss/grind/{run['run_id']}, from main at {first}"
        assert fields["rotation"] == "default: a-land, b-idle, c-fail"
        assert fields["used"] == "3 of 3 sessions, 1 failed in a row"
        assert fields["next"] == "a-land"
        assert lines[8:10] == ["", "last sessions"]
        assert lines[10:13] == ground.pitboss("log").out.splitlines()
        assert lines[13:] == [
            "",
            "needs you",
            "session 3 (c-fail): its work did not land and is kept: exit code: 3",
            f"  pitboss rescue show {run['run_id']}/session-0003",
            f"1 commit of run {run['run_id']} is not on main",
            f"  pitboss land {run['run_id']}",
            "",
            f"`pitboss grind --resume {run['run_id']} --max-iterations 6` goes on",
        ]

    def test_what_was_in_flight_when_a_run_crashed_is_shown(self, project: Project) -> None:
        state = run_state(in_flight=(flying(4, prompt="bravo", pid=4242),))
        on_disk(project, state, *(record(seq) for seq in (1, 2, 3)))

        done = project.pitboss("status")

        assert "\nstate      crashed\n" in done.out
        started = f"{state.in_flight[0].assignment.started_at:%Y-%m-%dT%H:%M:%SZ}"
        assert re.search(
            rf"\nin flight  session-0004 bravo since {started} \(.+ ago\), cut short\n", done.out
        )
        assert done.out.endswith(
            "\nneeds you\nrun rid crashed: 1 session in flight left work to settle\n  pitboss repair rid\n"
            "\nits processes died; `pitboss grind --resume rid` recovers it and goes on\n"
        )

    def test_json_has_the_documented_keys(self, ground: Project, project: Project) -> None:
        keys = sorted([*documented("runs"), *documented("status")])
        status = ground.pitboss("status", "--json").json()
        on_disk(project, run_state(in_flight=(flying(4),)))
        crashed = project.pitboss("status", "--json").json()

        assert sorted(status) == sorted(crashed) == keys
        assert [r["seq"] for r in status["last"]] == [1, 2, 3]
        assert status["scheduler"] == {
            "rotation": 3,
            "runs_per_prompt": {"a-land": 1, "b-idle": 1, "c-fail": 1},
        }
        (flight,) = crashed["in_flight"]
        keys = ["seq", "prompt", "rotation", "started_at", "pid", "attempt", "waits_until", "outcome"]
        seen = ["phase", "detail", "until", "step", "step_at", "tokens", "cost_usd", "cost_known"]
        assert list(flight) == [*keys, *seen]
        assert all(f"`{key}`" in REFERENCE.read_text() for key in flight)

    def test_a_run_is_found_by_the_beginning_of_its_id_if_only_one_begins_so(self, project: Project) -> None:
        on_disk(project, run_state(run_id="one-a"))
        on_disk(project, run_state(run_id="one-b"))

        assert project.pitboss("status", "one-b", "--json").json()["run_id"] == "one-b"
        assert project.pitboss("status", "one") == (
            4,
            "",
            'error: grind run "one" is ambiguous: one-a, one-b\nhint: type more of the run\'s id\n',
        )
        missing = project.pitboss("status", "two")
        assert missing.code == 4
        assert missing.err.startswith('error: grind run "two" not found at ')

    def test_an_unreadable_run_is_shown_as_such(self, project: Project) -> None:
        on_disk(project, run_state(run_id="broken"), record(1))
        project.write(".pitboss/grind/runs/broken/state.json", "{")

        done = project.pitboss("status")

        assert done.code == 0
        assert "\nstate    unreadable\nproblem  parsing " in done.out
        assert "session-0001 ok" in done.out
        assert done.out.endswith("\n  pitboss repair broken --dry-run\n")

    def test_a_summary_cannot_write_to_the_terminal(self, project: Project) -> None:
        on_disk(project, run_state(), record(1, summary="\x1b[2Jgone\x07\nsecond line"))

        out = project.pitboss("status").out

        assert "\x1b" not in out
        assert "\x07" not in out
        assert "[2Jgone" in out
        assert "second line" not in out

    def test_commands_work_from_a_folder_below_and_from_a_sessions_worktree(self, project: Project) -> None:
        on_disk(project, run_state())
        below = project.write("src/deep/file", "").parent
        worktree = project.root / ".pitboss/grind/runs/rid/worktrees/session-0001"
        worktree.mkdir(parents=True)
        (worktree / ".git").touch()

        for folder in (below, worktree):
            assert project.pitboss("status", "--json", cwd=folder).json()["run_id"] == "rid"


class TestLog:
    def test_each_session_is_a_line(self, ground: Project) -> None:
        landed, idle, failed = ground.pitboss("log").out.splitlines()

        commit = ground.git("log", "-1", "--format=%H", "--branches=pitboss/*")[:7]
        time, took = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r" +[\d.]+s"
        assert re.fullmatch(
            rf"{time} session-0001 ok      a-land      {took} {commit} Added a file\.", landed
        )
        assert re.fullmatch(rf"{time} session-0002 ok      b-idle      {took} \(no summary provided\)", idle)
        assert re.fullmatch(rf"{time} session-0003 error   c-fail      {took} exit.code.*3.*", failed)

    def test_json_lines_are_the_lines_of_the_log(self, ground: Project) -> None:
        run_id = the_run(ground)["run_id"]
        log = (ground.root / f".pitboss/grind/runs/{run_id}/sessions.jsonl").read_text()

        assert ground.pitboss("log", "--json").out == log
        keys = {key for line in log.splitlines() for key in json.loads(line)}
        assert keys <= set(documented("Record"))

    def test_every_key_a_record_can_have_is_documented(self) -> None:
        everything = record(
            1,
            rotation=2,
            cost_known=False,
            cost_source="unknown",
            reason="wall_clock",
            rescue=("refs/r",),
            attempts=2,
            unpriced="m",
            hidden="set-aside",
            model="m",
            agent="a",
            cache_read=1,
            cache_write=1,
            retry_of=7,
            queued="t1",
            retry=True,
            waited_s=1.5,
            host="a-worker",
        )

        assert sorted(json.loads(encode_record(everything))) == sorted(documented("Record"))

    def test_damaged_lines_are_passed_over(self, project: Project) -> None:
        on_disk(project, run_state(), record(1))
        log = project.root / ".pitboss/grind/runs/rid/sessions.jsonl"
        log.write_bytes(log.read_bytes() + b"garbage\n" + encode_record(record(2)) + b'{"seq": 3, "run')

        out = project.pitboss("log").out

        assert [line.split()[1] for line in out.splitlines()] == ["session-0001", "session-0002"]

    def test_costs_that_are_not_known_are_not_zero(self, project: Project) -> None:
        unpriced = record(
            1, tokens=(1000, 500), cost_known=False, status=SessionStatus.ERROR, reason="cost_cap"
        )
        on_disk(project, run_state(), unpriced, record(2, cost_usd=0.5, cost_known=False))

        first, second = project.pitboss("log").out.splitlines()

        assert "1.5k tok cost unknown " in first
        assert first.endswith("[cost cap] session 1")
        assert " $0.50+ " in second

    def test_a_reason_that_is_the_summary_too_is_said_once(self, project: Project) -> None:
        reason = "rate_limited: stopped while it waited for claude_code's usage limit"
        said = reason.replace("rate_limited", "rate limited")
        on_disk(project, run_state(), record(1, status=SessionStatus.ABORTED, reason=reason, summary=said))

        out = project.pitboss("log").out
        assert said in out
        assert "[rate" not in out

    def test_following_a_run_that_ended_prints_it_and_ends(self, ground: Project) -> None:
        assert ground.pitboss("log", "-f") == ground.pitboss("log")


class TestShow:
    def test_a_session_is_shown_with_its_whole_summary(self, project: Project) -> None:
        tried = record(
            3,
            summary="First.\n\n- second\x1b[31m",
            status=SessionStatus.DIRTY,
            reason="head_moved",
            tokens=(1200, 300),
            cost_usd=0.0123,
            cost_source="configured",
            rescue=("refs/pitboss/rescue/rid/session-0003",),
            agent="claude_code",
            model="opus",
            cache_read=1000,
        )
        on_disk(project, run_state(), record(1), tried)
        project.write(".pitboss/grind/runs/rid/transcripts/session-0003.log", "printed\n")

        assert project.pitboss("show", "rid", "3").out == (
            "session     session-0003 of rid\n"
            "prompt      alpha\n"
            "status      dirty: head_moved\n"
            "started     2026-04-30T18:00:00Z\n"
            "ended       2026-04-30T18:01:00Z\n"
            "duration    1m00s\n"
            "agent       claude_code opus\n"
            f"commit      {tried.commit}\n"
            "rescued     refs/pitboss/rescue/rid/session-0003\n"
            "tokens      1500 (input=1200, output=300)\n"
            "cached      read=1000, written=0 (part of input)\n"
            "cost        $0.01 (tokens priced by [budgets.pricing])\n"
            "transcript  transcripts/session-0003.log\n"
            "\n"
            "First.\n\n- second[31m\n"
        )

    def test_json_is_the_record(self, ground: Project) -> None:
        run_id = the_run(ground)["run_id"]

        assert (
            ground.pitboss("show", run_id, "2", "--json").out
            == (ground.pitboss("log", "--json").out.splitlines(keepends=True)[1])
        )

    def test_the_diff_is_what_the_session_landed(self, ground: Project) -> None:
        run_id = the_run(ground)["run_id"]

        done = ground.pitboss("show", run_id, "1", "--diff")

        assert done.err == ""
        assert done.out.startswith("diff --git a/new.txt b/new.txt\nnew file mode 100644\n")
        assert done.out.endswith("\n@@ -0,0 +1 @@\n+new\n")

    def test_the_diff_of_a_session_that_did_not_land_is_what_was_rescued(self, ground: Project) -> None:
        run_id = the_run(ground)["run_id"]

        out = ground.pitboss("show", run_id, "3", "--diff").out

        assert out.startswith("diff --git a/half.txt b/half.txt\n")
        assert out.endswith("\n+half\n")

    def test_a_session_without_work_has_no_diff(self, ground: Project) -> None:
        run_id = the_run(ground)["run_id"]

        assert ground.pitboss("show", run_id, "2", "--diff") == (0, "", "session 2 left no work behind\n")

    def test_the_transcript_is_printed_as_it_is(self, project: Project) -> None:
        on_disk(project, run_state())
        transcript = project.root / ".pitboss/grind/runs/rid/transcripts/session-0002.log"
        transcript.write_bytes("größe\n".encode() + b"x" * 3_000_000)

        assert project.pitboss("show", "rid", "2", "--transcript").out == "größe\n" + "x" * 3_000_000

    def test_what_there_is_not_is_said_with_a_hint(self, ground: Project) -> None:
        run_id = the_run(ground)["run_id"]

        missing = ground.pitboss("show", run_id, "9")
        assert (missing.code, missing.out) == (1, "")
        assert missing.err.splitlines() == [
            f"error: run {run_id} has no record of session 9",
            f"hint: `pitboss log {run_id}` lists its sessions; one in flight has no record yet",
        ]
        assert ground.pitboss("show", run_id, "9", "--transcript").err.startswith(
            f"error: run {run_id} has no transcript of session 9\nhint: "
        )
