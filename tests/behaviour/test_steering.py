"""Steering a live run through the real command line: pause, unpause, budget, and their answers (SPEC 10)."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import Done, Project, wait_until
from tests.support.runs import Gate, Run, configure, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path

PAUSED = "is paused: no new session starts"


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def project(tmp_path: Path, gate: Gate) -> Project:
    """Two prompts, again and again: `a-held` waits at the gate, `b-next` ends at once."""
    project = Project.create(tmp_path / "repo")
    configure(project)
    project.prompt("a-held", gate.script)
    project.prompt("b-next", "true")
    return project


def status(project: Project) -> dict[str, Any]:
    seen: dict[str, Any] = project.pitboss("status", "--json").json()
    return seen


def events(run: Run, *kinds: str) -> list[dict[str, Any]]:
    text = (run.folder / "events.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line]
    return [line for line in lines if line["kind"] in kinds]


def said(done: Done) -> str:
    assert (done.code, done.err) == (0, ""), done
    return done.out


def paused_with_nothing_in_flight(project: Project, gate: Gate) -> Run:
    """The run, paused while its first session ran, after that session has ended."""
    gate.wait()
    assert PAUSED in said(project.pitboss("pause"))
    gate.open()
    wait_until(lambda: idle_after(project, 1))
    return the_run(project)


def idle_after(project: Project, sessions: int) -> bool:
    """Whether that many sessions have a record, in the sums too, and none is in flight."""
    seen = status(project)
    return (seen["sessions"], seen["in_flight"]) == (sessions, [])


class TestPause:
    def test_those_in_flight_finish_nothing_starts_and_the_run_says_so(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project, "--max-iterations", "2") as live:
            gate.wait()
            run = the_run(project)
            name = f"run {run.run_id}"
            finishes = "session-0001 (a-held) finishes; "
            answer = f"{name} {PAUSED}; {finishes}`pitboss unpause` goes on\n"
            assert said(project.pitboss("pause")) == answer
            assert (status(project)["paused"], run.state["paused"]) == (True, True)
            gate.open()
            wait_until(lambda: idle_after(project, 1))
            seen, text = status(project), project.pitboss("status").out
            assert (seen["condition"], seen["paused"]) == ("live", True)
            assert "now paused" in [" ".join(line.split()) for line in text.splitlines()]
            assert text.endswith(
                " is paused: no new session starts until it is unpaused\n  pitboss unpause\n"
            )
            assert said(project.pitboss("unpause")) == f"{name} goes on: sessions start again\n"
            done = live.ended()

        assert (done.code, run.sequence()) == (3, [(1, "a-held", 1), (2, "b-next", 2)])
        assert "paused by `pitboss pause`: no new session starts; `pitboss unpause` goes on\n" in done.err
        assert "unpaused by `pitboss unpause`: sessions start again\n" in done.err
        assert [(e["kind"], e["by"]) for e in events(run, "paused", "unpaused")] == [
            ("paused", "pause"),
            ("unpaused", "unpause"),
        ]
        assert (status(project)["paused"], "paused" in run.state) == (False, False)

    @pytest.mark.parametrize(
        ("how", "code", "reason"),
        [
            ("stop", 0, "drained on request"),
            ("stop --now", 2, "aborted on request"),
            ("SIGINT", 0, "drained on request"),
        ],
    )
    def test_a_paused_run_with_nothing_in_flight_can_be_stopped(
        self, project: Project, gate: Gate, how: str, code: int, reason: str
    ) -> None:
        with grinding(project) as live:
            run = paused_with_nothing_in_flight(project, gate)
            if how == "SIGINT":
                live.send(signal.SIGINT)
            else:
                said(project.pitboss(*how.split()))
            done = live.ended()
        assert (done.code, run.ending(), len(run.records)) == (code, ("aborted", reason), 1)

    def test_a_pause_does_not_hold_up_the_stop_of_sessions_in_flight(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project) as live:
            gate.wait()
            said(project.pitboss("pause"))
            assert "session-0001 (a-held) will be recorded as aborted" in said(
                project.pitboss("stop", "--now")
            )
            done = live.ended()
        assert (done.code, [r["status"] for r in the_run(project).records]) == (2, ["aborted"])

    def test_its_end_time_ends_a_paused_run(self, project: Project, gate: Gate) -> None:
        with grinding(project) as live:
            run = paused_with_nothing_in_flight(project, gate)
            said(project.pitboss("budget", "--until", "1s"))
            done = live.ended()
        assert (done.code, run.ending()[0]) == (3, "aborted")
        assert "until reached" in str(run.ending()[1])

    def test_a_run_that_is_killed_while_paused_is_resumed_unpaused(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project) as live:
            run = paused_with_nothing_in_flight(project, gate)
            live.kill()
        assert (status(project)["condition"], status(project)["paused"]) == ("crashed", False)
        with grinding(project, "--resume", "--max-iterations", "3") as live:
            assert live.ended().code == 3
        assert (len(run.records), "paused" in run.state) == (3, False)

    def test_two_who_pause_at_once_each_get_an_answer_and_so_does_who_pauses_again(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project), ThreadPoolExecutor() as pool:
            run = paused_with_nothing_in_flight(project, gate)
            answers = [said(done) for done in pool.map(project.pitboss, ["pause"] * 3)]
            assert all("already paused: no new session starts" in answer for answer in answers)
            assert len({event["request"] for event in events(run, "paused")}) == 4

    def test_a_paused_run_costs_next_to_nothing(self, project: Project, gate: Gate) -> None:
        import psutil

        with grinding(project) as live:
            paused_with_nothing_in_flight(project, gate)
            runner = psutil.Process(live.runner())
            before, began = sum(runner.cpu_times()[:2]), datetime.now(UTC)
            wait_until(lambda: datetime.now(UTC) - began > timedelta(seconds=3))
            used, took = sum(runner.cpu_times()[:2]) - before, datetime.now(UTC) - began
        assert used / took.total_seconds() < 0.05


class TestBudget:
    def test_it_shows_what_is_used_and_the_caps_live_or_not(self, project: Project, gate: Gate) -> None:
        with grinding(project, "--max-iterations", "2", "--max-cost", "1.5") as live:
            gate.wait()
            run = the_run(project)
            lines = [
                f"run       {run.run_id}",
                "sessions  1 of 2 sessions",
                "cost      $0.00 of $1.50",
                "tokens    0 tokens, no limit",
                "time      no limit",
            ]
            assert said(project.pitboss("budget")).splitlines() == lines
            gate.open()
            live.ended()
        lines[1] = "sessions  2 of 2 sessions"
        assert said(project.pitboss("budget")).splitlines() == lines

    def test_another_cap_counts_at_once_and_after_a_resume(self, project: Project, gate: Gate) -> None:
        with grinding(project, "--max-iterations", "1", "--max-cost", "5") as live:
            gate.wait()
            run = the_run(project)
            answer = said(project.pitboss("budget", "--max-iterations", "2", "--max-cost", "none"))
            assert answer == f"run {run.run_id} has other budgets: 1 of 2 sessions\n"
            caps = {"max_iterations": 2, "until": None, "max_tokens": None, "max_cost_usd": None}
            assert (run.state["caps"], status(project)["caps"]) == (caps, caps)
            gate.open()
            done = live.ended()
        assert (done.code, len(run.records)) == (3, 2)
        assert "budgets changed by `pitboss budget`: 1 of 2 sessions\n" in done.err
        (event,) = events(run, "caps")
        assert (event["caps"], event["by"]) == (caps, "budget")
        refused = project.pitboss("grind", "--resume")
        assert (refused.code, "max-iterations reached: 2 >= 2" in refused.err) == (3, True)
        assert project.pitboss("grind", "--resume", "--max-iterations", "3").code == 3
        assert len(run.records) == 3

    def test_a_cap_below_what_is_used_ends_the_run_as_that_budget_does(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project) as live:
            gate.wait()
            said(project.pitboss("budget", "--max-iterations", "1"))
            gate.open()
            done = live.ended()
        run = the_run(project)
        assert (done.code, run.ending()) == (3, ("aborted", "max-iterations reached: 1 >= 1"))

    def test_two_at_once_are_both_done_and_each_is_answered(self, project: Project, gate: Gate) -> None:
        asked = [("--max-iterations", "7"), ("--max-tokens", "9000"), ("--max-cost", "3"), ("--until", "8h")]
        with grinding(project), ThreadPoolExecutor() as pool:
            gate.wait()
            run = the_run(project)
            for done in pool.map(lambda given: project.pitboss("budget", *given), asked):
                assert "has other budgets" in said(done)
            caps = run.state["caps"]
        assert (caps["max_iterations"], caps["max_tokens"], caps["max_cost_usd"]) == (7, 9000, 3.0)
        assert caps["until"] is not None
        assert [event["by"] for event in events(run, "caps")] == ["budget"] * 4

    def test_caps_outlive_a_kill(self, project: Project, gate: Gate) -> None:
        with grinding(project) as live:
            gate.wait()
            said(project.pitboss("budget", "--max-iterations", "2"))
            live.kill()
        gate.open()
        with grinding(project, "--resume") as live:
            assert live.ended().code == 3
        assert the_run(project).ending() == ("aborted", "max-iterations reached: 2 >= 2")

    def test_with_hard_budgets_an_earlier_end_stops_the_session_in_flight(
        self, project: Project, gate: Gate
    ) -> None:
        configure(project, more="[budgets]\nhard = true")
        with grinding(project, "--until", "8h") as live:
            gate.wait()
            said(project.pitboss("budget", "--until", "1s"))
            done = live.ended()
        run = the_run(project)
        assert (done.code, [record["status"] for record in run.records]) == (3, ["aborted"])
        assert "until reached" in str(run.ending()[1])

    @pytest.mark.parametrize(
        ("args", "why"),
        [
            (("--max-cost", "-1"), "'-1' is not an amount of US dollars"),
            (("--max-iterations", "x"), "'x' is not a whole number"),
            (("--until", "yesterday"), "expected a time such as"),
        ],
    )
    def test_what_is_no_cap_is_refused(self, project: Project, args: tuple[str, str], why: str) -> None:
        refused = project.pitboss("budget", *args)
        assert (refused.code, why in refused.err) == (4, True), refused


class TestAtRest:
    @pytest.mark.parametrize(
        ("args", "hint"),
        [
            (("pause",), "a run at rest starts nothing; `pitboss grind --resume` goes on with the last one"),
            (("unpause",), "`pitboss grind --resume` goes on with the last run"),
            (
                ("budget", "--max-cost", "20", "--max-tokens", "none"),
                "`pitboss grind --resume --max-tokens none --max-cost 20` goes on with the last run",
            ),
            (
                ("budget", "--until", "2026-05-01T01:00:00+02:00"),
                "`pitboss grind --resume --until 2026-04-30T23:00:00Z` goes on with the last run",
            ),
            (("stop",), "`pitboss runs` lists all runs"),
            (("skip",), "`pitboss runs` lists all runs"),
        ],
    )
    def test_nothing_can_be_asked_and_the_hint_says_what_to_do(
        self, project: Project, gate: Gate, args: tuple[str, ...], hint: str
    ) -> None:
        gate.open()
        assert project.pitboss("grind", "--max-iterations", "1").code == 3
        refused = project.pitboss(*args)
        assert refused == (4, "", f"error: no run is live in this working tree\nhint: {hint}\n")

    @pytest.mark.parametrize(
        ("args", "hint"),
        [
            (("pause",), "`pitboss grind` starts a run"),
            (("unpause",), "`pitboss grind` starts a run"),
            (("budget", "--max-cost", "20"), "`pitboss grind --max-cost 20` starts a run"),
            (("stop",), "`pitboss runs` lists all runs"),
            (("skip",), "`pitboss runs` lists all runs"),
        ],
    )
    @pytest.mark.parametrize("ran", [False, True])
    def test_where_no_run_can_be_resumed_no_hint_says_to_resume(
        self, project: Project, gate: Gate, args: tuple[str, ...], hint: str, *, ran: bool
    ) -> None:
        gate.open()
        if ran:
            assert project.pitboss("grind", "-p", "```sh\ntrue\n```", "--agent", "shell").code == 0
        refused = project.pitboss(*args)
        assert refused == (4, "", f"error: no run is live in this working tree\nhint: {hint}\n")

    def test_what_was_asked_before_a_resume_is_forgotten(self, project: Project, gate: Gate) -> None:
        gate.open()
        assert project.pitboss("grind", "--max-iterations", "1").code == 3
        run = the_run(project)
        (run.folder / f"control/request-{1:020}-test-0123abcd.json").write_text('{"kind":"pause"}')
        assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
        assert (len(run.records), list((run.folder / "control").iterdir())) == (2, [])
        assert events(run, "paused") == []


class TestMailbox:
    def drop(self, run: Run, name: str, text: str) -> Path:
        """Put a file into the mailbox at once and whole."""
        unfinished = run.folder / f"control/{name}.tmp"
        unfinished.write_text(text)
        return unfinished.rename(unfinished.with_suffix(""))

    def test_garbage_is_set_aside_with_a_warning_and_disturbs_nothing(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project) as live:
            gate.wait()
            run = the_run(project)
            name = f"request-{1:020}-test-0123abcd.json"
            self.drop(run, name, "\x1b[2Jrm -rf")
            live.wait_for(f"warning: the request {name} was refused: ")
            assert PAUSED in said(project.pitboss("pause"))
        assert "\x1b[2J" not in live.err
        assert [path.name for path in (run.folder / "set-aside/control").iterdir()] == [name]
        assert [event["request"] for event in events(run, "warned")] == [name]

    def test_what_another_user_drops_is_refused(self, project: Project, gate: Gate) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can make a file of another user")
        with grinding(project) as live:
            gate.wait()
            run = the_run(project)
            names = [f"request-{1:020}-test-0123abcd.json", "drain", "abort", "skip", "skip-1"]
            for name in names:
                unfinished = run.folder / f"control/{name}.tmp"
                unfinished.write_text('{"kind":"pause"}')
                os.chown(unfinished, 65534, 65534)
                unfinished.rename(run.folder / "control" / name)
                live.wait_for(
                    f"warning: the request {name} was refused: another user of this machine made it"
                )
            seen = status(project)
            assert (seen["paused"], len(seen["in_flight"])) == (False, 1)
            assert list((run.folder / "control").iterdir()) == []

    def test_a_mailbox_that_others_may_write_to_is_made_private(self, project: Project, gate: Gate) -> None:
        with grinding(project) as live:
            gate.wait()
            control = the_run(project).folder / "control"
            control.chmod(0o777)
            live.wait_for("others could write to the run's folder control (mode 777): it is private now")
            assert control.stat().st_mode & 0o777 == 0o700

    def test_a_folder_full_of_rubbish_keeps_nobody_from_being_heard(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project):
            gate.wait()
            control = the_run(project).folder / "control"
            for number in range(2000):
                (control / f"rubbish-{number}").touch()
            for number in range(200):
                self.drop(the_run(project), f"request-{number:020}-test-0123abcd.json", "?")
            assert PAUSED in said(project.pitboss("pause"))

    def test_a_run_that_does_not_answer_is_not_waited_for_longer_than_five_seconds(
        self, project: Project, gate: Gate
    ) -> None:
        with grinding(project) as live:
            gate.wait()
            runner, run = live.runner(), the_run(project)
            os.kill(runner, signal.SIGSTOP)
            try:
                began = datetime.now(UTC)
                done = project.pitboss("pause")
                took = datetime.now(UTC) - began
            finally:
                os.kill(runner, signal.SIGCONT)
            assert (done.code, done.out) == (1, "")
            assert done.err == (
                f"error: run {run.run_id} has not answered yet; the request counts once the run reads it\n"
                "hint: `pitboss status` shows what the run does\n"
            )
            assert timedelta(seconds=5) <= took < timedelta(seconds=60)
            wait_until(lambda: status(project)["paused"])

    def test_a_run_that_dies_before_it_answers_is_no_longer_live(self, project: Project, gate: Gate) -> None:
        with grinding(project) as live, ThreadPoolExecutor() as pool:
            gate.wait()
            runner, run = live.runner(), the_run(project)
            os.kill(runner, signal.SIGSTOP)
            asked = pool.submit(project.pitboss, "pause")
            wait_until(lambda: any((run.folder / "control").glob("request-*")))
            live.send(signal.SIGKILL)
            os.kill(runner, signal.SIGKILL)
            done = asked.result()
        assert done.code == 4
        assert done.err.startswith(f"error: run {run.run_id} is not live: it does nothing more\nhint: ")


def test_two_who_stop_at_once_and_one_who_stops_again_are_answered(project: Project, gate: Gate) -> None:
    with grinding(project) as live, ThreadPoolExecutor() as pool:
        gate.wait()
        for done in pool.map(project.pitboss, ["stop"] * 3):
            assert "stops when session-0001 (a-held) has ended" in said(done)
        gate.open()
        assert live.ended().code == 0


def test_whoever_skips_a_session_is_answered_before_it_has_ended(project: Project, gate: Gate) -> None:
    project.prompt("a-held", f"trap '' TERM INT; {gate.script}")
    with grinding(project, "--max-iterations", "1") as live:
        gate.wait()
        run = the_run(project)
        answer = f"run {run.run_id} skips session-0001 (a-held): recorded as skipped, work rescued\n"
        assert said(project.pitboss("skip")) == answer
        assert [event["seqs"] for event in events(run, "skipping")] == [[1]]
        assert "skipping session-0001 (a-held)\n" in live.err
        gate.open()
        live.ended()
    assert [record["status"] for record in run.records] == ["skipped"]
