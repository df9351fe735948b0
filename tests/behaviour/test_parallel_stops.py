"""Skips, timeouts, signals and kills with several sessions in flight: each ends on its own (SPEC 1, 6, 7)."""

from __future__ import annotations

import os
from signal import SIGINT, SIGKILL
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, Live, Run, configure, grinding, the_run, verdict
from tests.support.side_by_side import meeting, remains, worktrees

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OK = ("ok", None, True, 0)


class Scene:
    """Three sessions side by side: each has begun its work, and waits at one gate."""

    def __init__(self, folder: Path, *, grind: str = "") -> None:
        self.project = Project.create(folder / "repo")
        self.gate = Gate(folder / "gate")
        configure(self.project, grind=grind)
        meet = meeting(folder / "meeting", 3)
        for name in ("a", "b", "c"):
            begin = f"echo half >{name}.txt; setsid sleep 300 & echo $! >{folder}/{name}.pid"
            script = f"{begin}\n{meet}\n{self.gate.script}\necho whole >{name}.txt"
            self.project.prompt(name, script, max_runs=1, parallel_safe=True)
        self._folder = folder

    def wait(self) -> Run:
        """Wait until all three work, and state.json knows their processes."""
        self.gate.wait()
        run = the_run(self.project)
        wait_until(lambda: [s.get("pid") is not None for s in run.state["in_flight"]] == [True] * 3)
        return run

    def wait_for_record(self, prompt: str) -> Run:
        """Wait until `prompt` is on record while the others wait."""
        self.gate.wait()
        run = the_run(self.project)
        wait_until(lambda: [r["prompt"] for r in run.records] == [prompt])
        return run

    def left_running(self) -> list[str]:
        """Whose processes live."""
        pids = {path.stem: int(path.read_text()) for path in self._folder.glob("*.pid")}
        return [name for name, pid in sorted(pids.items()) if proctree.start_time(pid) is not None]


def by_prompt(run: Run) -> dict[str, tuple[str, str | None, bool, int]]:
    return {r["prompt"]: verdict(r) for r in sorted(run.records, key=lambda r: r["seq"])}


def test_one_session_is_skipped_by_its_number_and_the_others_go_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with grinding(scene.project, "--max-parallel", "3") as live:
        run = scene.wait()
        asked = scene.project.pitboss("skip", "2")
        wait_until(lambda: [r["seq"] for r in run.records] == [2])
        scene.gate.open()
        assert live.ended().code == 0
    assert asked.code == 0, asked
    assert by_prompt(run) == {"a": OK, "b": ("skipped", "skipped", False, 1), "c": OK}
    assert run.rescued("b") == {"b.txt": "half\n"}
    assert run.files(run.branch) == {"a.txt": "whole\n", "c.txt": "whole\n"}
    assert run.state["last_session_seq"] == 3
    assert (remains(run), scene.left_running()) == ([], [])


def test_a_skip_without_a_number_skips_all_in_flight(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with grinding(scene.project, "--max-parallel", "3") as live:
        run = scene.wait()
        assert scene.project.pitboss("skip").code == 0
        assert live.ended().code == 0
    assert set(by_prompt(run).values()) == {("skipped", "skipped", False, 1)}


def test_an_agent_that_asks_for_a_skip_skips_itself_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.project.prompt(
        "d", "echo half >d.txt; touch $PITBOSS_SKIP_FILE; exec sleep 60", max_runs=1, parallel_safe=True
    )
    with grinding(scene.project, "--max-parallel", "4") as live:
        run = scene.wait_for_record("d")
        scene.gate.open()
        assert live.ended().code == 0
    assert by_prompt(run) == {"a": OK, "b": OK, "c": OK, "d": ("skipped", "skipped", False, 1)}


def test_one_that_takes_too_long_is_ended_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.project.prompt(
        "d", "echo half >d.txt; exec sleep 60", max_runs=1, parallel_safe=True, max_session_seconds=3
    )
    with grinding(scene.project, "--max-parallel", "4") as live:
        run = scene.wait_for_record("d")
        scene.gate.open()
        assert live.ended().code == 1
    assert by_prompt(run) == {
        "a": OK,
        "b": OK,
        "c": OK,
        "d": ("timeout", "wall_clock: not done within 3 s", False, 1),
    }


def test_the_first_ctrl_c_lets_all_in_flight_finish_and_starts_no_other(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.project.prompt("z", "true")
    with grinding(scene.project, "--max-parallel", "3") as live:
        run = scene.wait()
        live.send(SIGINT)
        live.wait_for(
            "draining: no new session starts, waiting for session-0001, session-0002, session-0003; stop again to abort"
        )
        scene.gate.open()
        assert live.ended().code == 0
    assert by_prompt(run) == {"a": OK, "b": OK, "c": OK}
    assert run.ending() == ("aborted", "drained on request")
    assert remains(run) == []


def ctrl_c_twice(_: Project, live: Live) -> None:
    live.send(SIGINT)
    live.wait_for("draining")
    live.send(SIGINT)


def stop_now(project: Project, _: Live) -> None:
    assert project.pitboss("stop", "--now").code == 0


@pytest.mark.parametrize("stop", [ctrl_c_twice, stop_now])
@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_an_abort_ends_all_in_flight_rescues_them_and_can_be_resumed(
    tmp_path: Path, stop: Callable[[Project, Live], None], mode: str
) -> None:
    scene = Scene(tmp_path, grind=f'mode = "{mode}"')
    with grinding(scene.project, "--max-parallel", "3") as live:
        run = scene.wait()
        stop(scene.project, live)
        assert live.ended().code == 2
    assert by_prompt(run) == dict.fromkeys("abc", ("aborted", "aborted", False, 1))
    assert [run.rescued(name) for name in "abc"] == [{f"{name}.txt": "half\n"} for name in "abc"]
    assert (remains(run), scene.left_running()) == ([], [])
    assert scene.project.git("status", "--porcelain") == ""
    assert scene.project.pitboss("grind", "--resume").code == 0
    assert len(run.records) == 3


@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_a_killed_runner_leaves_one_record_each_and_all_work_after_a_resume(
    tmp_path: Path, mode: str
) -> None:
    scene = Scene(tmp_path, grind=f'mode = "{mode}"')
    with grinding(scene.project, "--max-parallel", "3") as live:
        run = scene.wait()
        os.kill(live.runner(), SIGKILL)
        assert live.ended().code == 70
        wait_until(lambda: scene.left_running() == [])
    done = scene.project.pitboss("grind", "--resume", "--max-parallel", "3")
    assert done.code == 0, done
    assert by_prompt(run) == dict.fromkeys("abc", ("aborted", "interrupted", False, 1))
    assert [run.rescued(name) for name in "abc"] == [{f"{name}.txt": "half\n"} for name in "abc"]
    assert sorted(run.sequence()) == [(1, "a", 1), (2, "b", 2), (3, "c", 3)]
    assert remains(run) == []
    assert worktrees(scene.project) == ["repo"]
    assert scene.project.git("status", "--porcelain") == ""
