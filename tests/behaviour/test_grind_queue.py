"""Queued tasks in real runs: the live run takes them, each once, whatever happens to it (SPEC 10)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from typing import TYPE_CHECKING, Any

from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, Run, configure, grinding, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

QUEUE = ".pitboss/grind/queue"


def added(project: Project, script: str, *options: str, name: str = "door") -> str:
    """Queue a task for the `shell` agent; its id."""
    text = f"---\nname: {name}\ndescription: test\n---\n```sh\n{script}\n```\n"
    done = project.pitboss("queue", "add", "-f", str(project.write(f"../{name}.md", text)), *options)
    assert done.code == 0, done
    return done.out.split()[1]


def dispatched(run: Run) -> list[tuple[str, str | None]]:
    """What each session worked on, and the id of its task."""
    return [(record["prompt"], record.get("queued")) for record in run.records]


def test_a_task_waits_for_the_next_run_and_comes_first(project: Project) -> None:
    project.prompt("alpha", "echo a >> a", max_runs=2)
    task_id = added(project, "echo d > d")
    plan = project.pitboss("grind", "--dry-run").out
    assert f"1. door (queued task {task_id})\n2. alpha (rotation 1)\n" in plan
    done = project.pitboss("grind")
    assert done.code == 0
    run = the_run(project)
    assert dispatched(run) == [("door", task_id), ("alpha", None), ("alpha", None)]
    assert "session-0001 door (queued) started (shell)\n" in done.err
    assert "session-0002 alpha started (shell)\n" in done.err
    assert " ok      door (queued)  " in project.pitboss("log").out
    assert [event.get("next_pick") for event in events(run)[:2]] == ["door", "alpha"]
    assert run.files(run.branch) == {"a": "a\na\n", "d": "d\n"}
    assert (run.folder / "queue" / f"{task_id}.md").read_text().startswith("---\nname: door\n")
    assert project.pitboss("queue", "ls").out == "no tasks are queued\n"
    assert run.state["scheduler_state"] == {"rotation": 2, "runs_per_prompt": {"alpha": 2}}
    assert run.state["budget_consumed"]["iterations"] == 3


def test_a_task_waits_for_a_resumed_run_too(project: Project) -> None:
    project.prompt("alpha", "echo a >> a")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    task_id = added(project, "echo d > d")
    seen = project.pitboss("status", "--json").json()
    assert (seen["next_pick"], seen["queue"]) == (
        "door",
        [{"id": task_id, "prompt": "door", "parallel_safe": False}],
    )
    assert f"next      door\nqueued    {task_id} door\n" in project.pitboss("status").out
    assert project.pitboss("grind", "--resume", "--max-iterations", "3").code == 3
    assert dispatched(the_run(project)) == [("alpha", None), ("door", task_id), ("alpha", None)]


def test_a_live_run_takes_a_task_at_the_next_free_place(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script, max_runs=3)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        done = project.pitboss(
            "queue", "add", "-f", str(project.write("../d.md", "```sh\necho d > d\n```\n"))
        )
        assert done.err == f"run {run.run_id} takes it as soon as there is room\n"
        gate.open()
        assert live.ended().code == 0
    assert [prompt for prompt, _ in dispatched(run)] == ["alpha", "echo-d-d", "alpha", "alpha"]


def test_a_task_starts_beside_a_session_that_does_not_end_before(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script, max_runs=1, parallel_safe=True)
    with grinding(project, "--max-parallel", "2") as live:
        gate.wait()
        task_id = added(project, f"touch {tmp_path}/gate/opened", "--parallel")
        assert live.ended().code == 0
    run = the_run(project)
    assert sorted(dispatched(run)) == [("alpha", None), ("door", task_id)]
    [started] = [event for event in events(run) if event.get("queued")]
    assert (started["kind"], started["seq"], started["slot"]) == ("session_started", 2, "worktrees/slot-2")


def test_a_task_that_runs_alone_holds_back_those_that_share(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script, max_runs=6, parallel_safe=True)
    with grinding(project, "--max-parallel", "2") as live:
        gate.wait()
        added(project, "echo d > d")
        gate.open()
        assert live.ended().code == 0
    run = the_run(project)
    spans = {r["prompt"]: (r["started_at"], r["ended_at"]) for r in run.records}
    begun, ended = spans["door"]
    others = [(r["started_at"], r["ended_at"]) for r in run.records if r["prompt"] == "alpha"]
    assert all(there <= begun or ended <= here for here, there in others)
    assert len(others) == 6


def test_a_run_of_one_prompt_leaves_what_was_queued_before(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script, max_runs=1)
    project.prompt("bravo", "true")
    early = added(project, "echo d > d")
    assert "queued" not in project.pitboss("grind", "alpha", "--dry-run").out
    with grinding(project, "alpha") as live:
        gate.wait()
        late = added(project, "echo w > w", name="window")
        gate.open()
        assert live.ended().code == 0
    run = the_run(project)
    assert dispatched(run) == [("alpha", None), ("window", late)]
    assert [task["id"] for task in project.pitboss("queue", "ls", "--json").json()["tasks"]] == [early]


def test_no_task_starts_once_the_run_drains(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script)
    with grinding(project) as live:
        gate.wait()
        task_id = added(project, "echo d > d")
        project.pitboss("stop")
        gate.open()
        live.ended()
    assert dispatched(the_run(project)) == [("alpha", None)]
    assert [task["id"] for task in project.pitboss("queue", "ls", "--json").json()["tasks"]] == [task_id]


def test_a_bad_file_in_the_queue_is_warned_of_and_stays(project: Project) -> None:
    project.prompt("alpha", "echo a >> a", max_runs=2)
    bad = project.write(f"{QUEUE}/bad.md", "---\nverify: maybe\n---\nx")
    other = project.write(f"{QUEUE}/other.md", "---\nagent: nobody\n---\nx")
    done = project.pitboss("grind")
    assert done.code == 0
    assert [event["kind"] for event in events(the_run(project))[:3]] == ["run_started", "warned", "warned"]
    assert done.err.count(f"a task in the queue cannot be run: {bad}:2: verify: must be true or false") == 1
    assert done.err.count(f"a task in the queue cannot be run: {other}: unknown agent `nobody`") == 1
    assert (len(the_run(project).records), bad.exists(), other.exists()) == (2, True, True)


def test_a_killed_run_does_not_run_its_task_again(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", "echo a >> a", max_runs=1)
    task_id = added(project, f"echo begun >> {tmp_path}/begun\n{gate.script}")
    with grinding(project) as live:
        gate.wait()
        runner = live.runner()
        os.kill(runner, signal.SIGKILL)
        live.ended()
    gate.open()
    assert project.pitboss("grind", "--resume").code == 0
    run = the_run(project)
    assert dispatched(run) == [("door", task_id), ("alpha", None)]
    assert verdict(run.records[0]) == ("aborted", "interrupted", False, 0)
    assert (tmp_path / "begun").read_text() == "begun\n"
    assert project.pitboss("grind").code == 0
    assert (tmp_path / "begun").read_text() == "begun\n"


def test_removing_a_task_that_runs_says_which_session_has_it(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", "true", max_runs=1)
    task_id = added(project, gate.script)
    with grinding(project) as live:
        gate.wait()
        done = project.pitboss("queue", "rm", task_id)
        run = the_run(project)
        assert (done.code, done.err) == (
            1,
            (
                f"error: task {task_id} is no longer queued: session 1 of run {run.run_id} took it\n"
                f"hint: `pitboss show {run.run_id} 1` shows what came of it; `pitboss skip 1` stops it\n"
            ),
        )
        gate.open()
        assert live.ended().code == 0


def test_a_file_moved_back_by_hand_is_not_run_again(project: Project) -> None:
    project.prompt("alpha", "true", max_runs=1)
    task_id = added(project, "echo d >> d")
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    back = project.root / QUEUE / f"{task_id}.md"
    (run.folder / "queue" / f"{task_id}.md").rename(back)
    done = project.pitboss("grind")
    assert (done.code, done.err.count(f"session 1 of run {run.run_id} took it")) == (0, 1)
    assert project.pitboss("queue", "ls").code == 1
    again = project.pitboss("queue", "add", "-f", str(back))
    assert again.code == 0
    assert project.pitboss("queue", "rm", task_id).code == 0


def test_two_working_trees_that_have_the_same_task_run_it_once(project: Project, tmp_path: Path) -> None:
    project.prompt("alpha", "true", max_runs=1)
    task_id = added(project, f"echo begun >> {tmp_path}/begun")
    project.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    shutil.copytree(project.root / ".pitboss", tmp_path / "linked" / ".pitboss")
    linked = Project(tmp_path / "linked")
    with grinding(project) as one, grinding(linked) as two:
        assert (one.ended().code, two.ended().code) == (0, 0)
    assert (tmp_path / "begun").read_text() == "begun\n"
    taken = [record.get("queued") for each in (project, linked) for record in the_run(each).records]
    assert sorted(map(str, taken)) == [task_id, "None", "None"]


def killed_at_its_task(project: Project, gate: Gate) -> Run:
    """A run that was killed while it worked on a queued task."""
    project.prompt("alpha", "echo a >> a", max_runs=1)
    added(project, gate.script)
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        live.ended()
    gate.open()
    return the_run(project)


def test_a_task_that_was_cut_short_waits_for_a_person_who_queues_it_again(
    project: Project, tmp_path: Path
) -> None:
    run = killed_at_its_task(project, Gate(tmp_path / "gate"))
    ended = project.pitboss("grind", "--resume")
    (file,) = (run.folder / "queue").iterdir()
    command = f"pitboss queue add -f {file}"
    assert command in ended.err
    assert command in project.pitboss("status").out
    [need] = project.pitboss("status", "--json").json()["needs_you"][:1]
    assert (need["kind"], need["seq"], need["command"]) == ("task", 1, command)
    again = project.pitboss(*command.split()[1:])
    assert (again.code, again.out.split()[2]) == (0, "(door)")
    assert command not in project.pitboss("status").out
    assert [task["id"] for task in project.pitboss("queue", "ls", "--json").json()["tasks"]] == [
        again.out.split()[1]
    ]


def test_a_task_in_flight_stays_where_recovery_finds_it_when_it_is_queued_again(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", "true", max_runs=1)
    first = added(project, gate.script)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        file = run.folder / "queue" / f"{first}.md"
        second = project.pitboss("queue", "add", "-f", str(file)).out.split()[1]
        assert file.exists()
        gate.open()
        assert live.ended().code == 0
    assert dispatched(run) == [("door", first), ("door", second), ("alpha", None)]


def test_a_lost_record_of_a_task_is_that_of_a_task_again(project: Project) -> None:
    project.prompt("alpha", "echo a >> a", max_runs=2)
    task_id = added(project, "echo d > d")
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    log = run.folder / "sessions.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))
    shutil.rmtree(project.root / ".git/pitboss/backup")
    repaired = project.pitboss("repair", run.run_id, "--force")
    assert repaired.code == 0, repaired
    by_seq = sorted((r["seq"], r["prompt"], r.get("queued"), r["status"]) for r in run.records)
    assert by_seq[0] == (1, "door", task_id, "ok")
    assert run.state["scheduler_state"]["runs_per_prompt"] == {"alpha": 2}


def test_a_lost_state_is_rebuilt_around_tasks(project: Project) -> None:
    project.prompt("alpha", "echo a >> a", max_runs=2)
    added(project, "echo d > d")
    assert project.pitboss("grind", "--max-iterations", "2").code == 3
    run = the_run(project)
    before = run.state
    (run.folder / "state.json").unlink()
    shutil.rmtree(project.root / ".git/pitboss/backup")
    repaired = project.pitboss("repair", run.run_id)
    assert repaired.code == 0, repaired
    same = ("scheduler_state", "budget_consumed", "last_session_seq", "prompt_names")
    assert {name: run.state[name] for name in same} == {name: before[name] for name in same}
    assert project.pitboss("grind", "--resume").code == 0


def test_a_paused_run_starts_no_task_until_it_goes_on(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        assert project.pitboss("pause").code == 0
        task_id = added(project, "echo d > d")
        waits = project.pitboss("queue", "add", "later")
        assert waits.err == f"run {run.run_id} is paused; it takes it after `pitboss unpause`\n"
        assert project.pitboss("queue", "rm", waits.out.split()[1]).code == 0
        gate.open()
        wait_until(lambda: len(run.records) == 1)
        seen = project.pitboss("status", "--json").json()
        assert (seen["paused"], seen["in_flight"], len(seen["queue"])) == (True, [], 1)
        assert project.pitboss("unpause").code == 0
        assert live.ended().code == 0
    assert dispatched(run) == [("alpha", None), ("door", task_id)]


def test_a_run_that_stops_leaves_a_task_to_the_next_one(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        assert project.pitboss("stop").code == 0
        said = project.pitboss("queue", "add", "later").err
        gate.open()
        live.ended()
    next_run = "the next run takes it: `pitboss grind`, or `pitboss grind --resume`"
    assert said == f"run {run.run_id} is stopping; {next_run}\n"


def test_a_task_that_fails_and_leaves_nothing_needs_a_person(project: Project) -> None:
    configure(project)
    task_id = added(project, "exit 3")
    project.prompt("alpha", "echo a >> a", max_runs=1)
    assert project.pitboss("grind").code == 1
    tasks = _tasks_in_need(project)
    assert [need["what"].split(":")[0] for need in tasks] == ["session 1 (door)"]
    file = shlex.split(tasks[0]["command"])[-1]
    assert file.endswith(f"/queue/{task_id}.md")
    assert project.pitboss("queue", "add", "-f", file).code == 0
    assert _tasks_in_need(project) == []


def _tasks_in_need(project: Project) -> list[dict[str, Any]]:
    listed = project.pitboss("status", "--json").json()["needs_you"]
    return [need for need in listed if need["kind"] == "task"]


def test_a_task_that_deletes_everything_is_not_run_again(project: Project, tmp_path: Path) -> None:
    project.prompt("alpha", "echo a >> a", max_runs=1)
    # The run may write into a folder just as it is being removed: then again.
    wipe = "until rm -rf .pitboss; do :; done"
    text = f"echo begun >> {tmp_path}/begun; cp -r .pitboss/grind/queue {tmp_path}/copy; {wipe}"
    task_id = added(project, text)
    shutil.copytree(project.root / QUEUE, tmp_path / "before")
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    assert dispatched(run) == [("door", task_id), ("alpha", None)]
    shutil.copytree(tmp_path / "before", project.root / QUEUE, dirs_exist_ok=True)
    assert project.pitboss("grind").code == 0
    assert (tmp_path / "begun").read_text() == "begun\n"


def events(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
