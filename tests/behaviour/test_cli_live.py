"""Watching a live run and asking things of it: `status`, `log -f`, `stop`, `skip`."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import Done, Project, finish, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

NO_RUN = (
    4,
    "",
    "error: no run is live in this working tree\nhint: `pitboss runs` lists all runs\n",
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two prompts: `a-wait` works until `go` exists beside the project, `b-next` ends at once."""
    project = Project.create(tmp_path / "project")
    project.prompt("a-wait", "echo half > half.txt\nuntil [ -e ../go ]; do sleep 0.05; done", max_runs=1)
    project.prompt("b-next", "true", max_runs=1)
    return project


@contextlib.contextmanager
def live(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose first session is in flight, its agent started."""
    with project.started("grind", "--json") as run:
        wait_until(lambda: agent_started(project))
        yield run


def agent_started(project: Project) -> bool:
    return (project.root / "half.txt").exists() and status(project)["in_flight"][0]["pid"] is not None


def status(project: Project) -> dict[str, Any]:
    status: dict[str, Any] = project.pitboss("status", "--json").json()
    return status


def let_go(project: Project) -> None:
    (project.root.parent / "go").touch()


def sessions(done: Done) -> list[tuple[str, str]]:
    *records, _ = map(json.loads, done.out.splitlines())
    return [(record["prompt"], record["status"]) for record in records]


class TestWatching:
    def test_status_shows_the_live_run_its_process_and_its_session(self, project: Project) -> None:
        with live(project) as run:
            seen = status(project)
            text = project.pitboss("status").out
            listed = project.pitboss("runs").out.splitlines()[1]
            let_go(project)
            done = finish(run)

        assert (seen["condition"], seen["status"], seen["holder"]["pid"]) == ("live", "active", run.pid)
        assert [(s["seq"], s["prompt"], s["outcome"]) for s in seen["in_flight"]] == [(1, "a-wait", None)]
        assert f"\nstate      live, pid {run.pid} since " in text
        assert f", agent pid {seen['in_flight'][0]['pid']}\n" in text
        assert listed.split()[1] == "live"
        assert sessions(done) == [("a-wait", "ok"), ("b-next", "ok")]

    def test_following_the_log_prints_sessions_as_they_end_and_ends_with_the_run(
        self, project: Project
    ) -> None:
        with live(project) as run, project.started("log", "-f", "--json") as log:
            let_go(project)
            done, followed = finish(run), finish(log)

        assert (done.code, followed.code, followed.err) == (0, 0, "")
        assert followed.out.splitlines() == done.out.splitlines()[:2]


class TestStop:
    def test_without_a_live_run_there_is_nothing_to_stop(self, project: Project) -> None:
        assert project.pitboss("stop") == NO_RUN
        assert project.pitboss("stop", "--now") == NO_RUN

    def test_the_session_in_flight_may_end_and_no_other_starts(self, project: Project) -> None:
        with live(project) as run:
            run_id = status(project)["run_id"]
            asked = project.pitboss("stop")
            let_go(project)
            done = finish(run)

        assert asked == (
            0,
            f"run {run_id} stops when session-0001 (a-wait) has ended; `pitboss stop --now` does not wait\n",
            "",
        )
        assert "waiting for session-0001; `pitboss stop --now` does not wait\n" in done.err
        assert done.code == 0
        assert sessions(done) == [("a-wait", "ok")]
        assert status(project)["condition"] == "aborted"

    def test_now_means_that_agents_are_stopped_and_their_work_is_rescued(self, project: Project) -> None:
        with live(project) as run:
            run_id = status(project)["run_id"]
            asked = project.pitboss("stop", "--now")
            done = finish(run)

        assert asked == (
            0,
            f"run {run_id} stops now: session-0001 (a-wait) will be recorded as aborted, its work rescued\n",
            "",
        )
        assert done.code == 2
        assert sessions(done) == [("a-wait", "aborted")]
        ref = f"refs/pitboss/rescue/{run_id}/session-0001"
        assert project.git("show", f"{ref}:half.txt") == "half\n"


class TestSkip:
    def test_without_a_live_run_there_is_nothing_to_skip(self, project: Project) -> None:
        assert project.pitboss("skip") == NO_RUN

    def test_the_session_in_flight_is_stopped_and_the_run_goes_on(self, project: Project) -> None:
        with live(project) as run:
            run_id = status(project)["run_id"]
            asked = project.pitboss("skip")
            done = finish(run)

        assert asked == (
            0,
            f"run {run_id} skips session-0001 (a-wait): recorded as skipped, work rescued\n",
            "",
        )
        assert done.code == 0
        assert sessions(done) == [("a-wait", "skipped"), ("b-next", "ok")]

    def test_a_session_is_skipped_by_its_number(self, project: Project) -> None:
        with live(project) as run:
            run_id = status(project)["run_id"]
            refused = project.pitboss("skip", "2")
            asked = project.pitboss("skip", "1")
            done = finish(run)

        assert (refused.code, refused.out) == (1, "")
        assert refused.err.splitlines() == [
            "error: session 2 is not in flight; in flight: session-0001 (a-wait)",
            "hint: `pitboss status` shows what runs now",
        ]
        assert asked.out == f"run {run_id} skips session-0001 (a-wait): recorded as skipped, work rescued\n"
        assert sessions(done) == [("a-wait", "skipped"), ("b-next", "ok")]
