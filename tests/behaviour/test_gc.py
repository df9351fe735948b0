"""`gc` and `runs --disk`: what runs at rest no longer need goes, and nothing that is unique (SPEC 11)."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour.test_cli_observers import documented
from tests.support.cli import Project
from tests.support.rebases import go_on_with_rebase, stopped_rebase
from tests.support.runs import Gate, Run, configure, grinding, the_run
from tests.support.tmux import command, terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose prompt `work` lands once, so that its run completes."""
    project = Project.create(tmp_path / "project")
    project.prompt("work", "date +%N >> work.txt\necho did it", max_runs=1)
    return project


def completed(project: Project) -> Run:
    before = set((project.root / ".pitboss/grind/runs").glob("2*"))
    assert project.pitboss("grind").code == 0
    (made,) = set((project.root / ".pitboss/grind/runs").glob("2*")) - before
    return Run(project, made.name)


def change_state(run: Run, **values: Any) -> None:
    state = {**run.state, **values}
    (run.folder / "state.json").write_text(json.dumps(state))


def refs(project: Project) -> list[str]:
    return project.git("for-each-ref", "--format=%(refname)").splitlines()


def test_transcripts_and_events_of_a_completed_run_go_and_its_records_stay(project: Project) -> None:
    run = completed(project)
    kept = {
        name: (run.folder / name).read_bytes() for name in ("state.json", "sessions.jsonl", "sessions.md")
    }

    preview = project.pitboss("gc", "--dry-run")
    assert (run.folder / "events.jsonl").exists()
    done = project.pitboss("gc")

    assert preview == (0, done.out.replace("freed", "would free"), "")
    assert done.out.startswith(f"{run.run_id}  freed ")
    assert done.out.endswith("KiB: transcripts, events.jsonl\n")
    assert not (run.folder / "transcripts").exists()
    assert not (run.folder / "events.jsonl").exists()
    assert {name: (run.folder / name).read_bytes() for name in kept} == kept
    assert run.branch in "\n".join(refs(project))
    assert project.pitboss("gc") == (0, "nothing to remove\n", "")
    for look in (("status",), ("log",), ("show",), ("runs", "--disk"), ("show", "1", "--diff")):
        assert project.pitboss(*look).code == 0


def test_events_that_were_removed_are_said_to_be_gone(project: Project) -> None:
    run = completed(project)
    assert project.pitboss("events").err == ""
    project.pitboss("gc")

    done = project.pitboss("events")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        f"no events of run {run.run_id} are kept: `pitboss gc` removes them",
        f"hint: `pitboss log {run.run_id}` lists its sessions",
    ]
    assert "or after `pitboss gc`" in project.pitboss("show", "1", "--transcript").err


def test_on_a_terminal_it_asks_before_it_removes_what_last_night_printed(project: Project) -> None:
    run = completed(project)
    with terminal(project, width=160) as screen:
        screen.enter(f"clear; {command('gc')}; echo ended")
        seen = screen.wait_for("Remove all of it? [y/N]")
        assert f"{run.run_id}  would free " in seen
        assert "gc --older-than 30d` leaves the runs of the last 30 days alone" in seen
        screen.enter("")
        screen.wait_for("\nended")
        assert (run.folder / "transcripts").exists()

        screen.enter(f"clear; {command('gc')}; echo ended")
        screen.wait_for("Remove all of it? [y/N]")
        screen.enter("y")
        screen.wait_for("  freed ", "\nended")
        assert not (run.folder / "transcripts").exists()


def test_on_a_terminal_it_asks_nothing_about_old_runs_or_those_that_are_named(project: Project) -> None:
    old, named = completed(project), completed(project)
    change_state(old, last_updated_at="2020-01-01T00:00:00Z")
    with terminal(project, width=160) as screen:
        screen.enter(
            f"clear; {command('gc', '--older-than', '30d')}; {command('gc', named.run_id)}; echo ended"
        )
        screen.wait_for(f"{old.run_id}  freed ", f"{named.run_id}  freed ", "\nended")


def test_a_run_that_can_be_resumed_stays_unless_it_is_named_and_goes_on_after_that(project: Project) -> None:
    project.prompt("work", "date +%N >> work.txt\necho did it", max_runs=3)
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run = the_run(project)

    done = project.pitboss("gc")
    assert done == (
        *(0, "nothing to remove\n"),
        f"{run.run_id} can be resumed; `pitboss gc {run.run_id}` tidies it all the same\n",
    )
    assert (run.folder / "events.jsonl").exists()

    assert project.pitboss("gc", run.run_id[:-2]).out.startswith(f"{run.run_id}  freed ")
    assert not (run.folder / "transcripts").exists()
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert [record["status"] for record in run.records] == ["ok", "ok"]
    assert project.pitboss("gc", "--older-than", "0d").out.startswith(f"{run.run_id}  freed ")


def test_an_age_holds_for_completed_runs_too(project: Project) -> None:
    run = completed(project)

    assert project.pitboss("gc", "--older-than", "12h") == (
        *(0, "nothing to remove\n"),
        f"{run.run_id} is younger than that\n",
    )
    change_state(run, last_updated_at="2020-01-01T00:00:00Z")
    assert project.pitboss("gc", "--older-than", "30d").out.startswith(f"{run.run_id}  freed ")
    refused = project.pitboss("gc", "--older-than", "soon")
    assert (refused.code, "'soon' is not an age such as 30d" in refused.err) == (4, True)


def test_a_run_that_needs_a_repair_is_only_listed(project: Project) -> None:
    run = completed(project)
    change_state(run, status="active")

    assert project.pitboss("gc", run.run_id) == (
        *(1, "nothing to remove\n"),
        f"{run.run_id} has to be repaired first: `pitboss repair {run.run_id}`\n",
    )
    (run.folder / "state.json").write_text("{")
    assert "has to be repaired first" in project.pitboss("gc").err
    assert (run.folder / "events.jsonl").exists()


def test_beside_a_live_run_it_only_looks(project: Project, tmp_path: Path) -> None:
    old, gate = completed(project), Gate(tmp_path / "gate")
    project.prompt("work", gate.script, max_runs=1)
    with grinding(project) as live:
        gate.wait()
        refused = project.pitboss("gc")
        preview = project.pitboss("gc", "--dry-run")
        gate.open()
        assert live.ended().code == 0

    assert refused.code == 4
    assert "another grind run is live" in refused.err
    assert preview.out.startswith(f"{old.run_id}  would free ")
    assert preview.err.endswith(" is live\n")
    assert (old.folder / "events.jsonl").exists()


def test_a_live_run_of_a_linked_worktree_keeps_all_that_is_its(project: Project, tmp_path: Path) -> None:
    run, gate = completed(project), Gate(tmp_path / "gate")
    project.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    linked = Project(tmp_path / "linked")
    configure(linked, grind='mode = "worktree"')
    linked.prompt("work", f"echo x > x.txt\n{gate.script}", max_runs=1)
    with grinding(linked) as live:
        gate.wait()
        done = project.pitboss("gc", "--refs", run.run_id)
        gate.open()
        assert live.ended().code == 0

    assert done.code == 0
    assert the_run(linked).record("work")["commit"] is not None
    assert (the_run(linked).folder / "events.jsonl").exists()


def test_json_says_what_became_of_each_run(project: Project) -> None:
    tidy, broken = completed(project), completed(project)
    change_state(broken, status="active")

    would = project.pitboss("gc", "--json", "--refs", "--dry-run")
    done = project.pitboss("gc", "--json", "--refs")

    assert (would.err, done.err) == ("", "")
    found = {each["run_id"]: each for each in would.json()}
    assert all(sorted(each) == sorted(documented("gc")) for each in found.values())
    assert found[tidy.run_id]["bytes"] > 0
    assert found[tidy.run_id] | {"bytes": 0} == {
        "run_id": tidy.run_id,
        "fate": "tidy",
        "removed": False,
        "bytes": 0,
        "worktrees": [],
        "files": ["events.jsonl", "transcripts"],
        "branches": [],
        "remote": [],
        "refs": [],
        "staying": [f"refs/heads/{tidy.branch}"],
        "problem": None,
    }
    assert (found[broken.run_id]["fate"], found[broken.run_id]["problem"]) == (
        "broken",
        f"has to be repaired first: `pitboss repair {broken.run_id}`",
    )
    assert {each["run_id"]: each["removed"] for each in done.json()} == {
        tidy.run_id: True,
        broken.run_id: False,
    }
    assert not (tidy.folder / "transcripts").exists()
    assert (broken.folder / "transcripts").exists()


def test_a_working_copy_is_rescued_before_it_goes(project: Project) -> None:
    run = completed(project)
    copy, branch = run.folder / "worktrees" / "slot-1", f"{run.branch}-session-0001"
    project.git("worktree", "add", "-q", str(copy), "-b", branch, run.branch)
    (copy / "unsaved.txt").write_text("unsaved\n")

    done = project.pitboss("gc")

    assert done.code == 0, done
    assert "1 working copy, transcripts, events.jsonl" in done.out
    assert not copy.exists()
    assert str(copy) not in project.git("worktree", "list")
    assert f"refs/heads/{branch}" not in refs(project)
    (rescued,) = project.git("for-each-ref", "--format=%(refname)", "refs/pitboss/rescue").splitlines()
    assert project.git("show", f"{rescued}:unsaved.txt") == "unsaved\n"


def test_killed_at_any_moment_it_loses_nothing_and_goes_on_the_next_time(
    project: Project, tmp_path: Path
) -> None:
    run, programs = completed(project), tmp_path / "programs"
    programs.mkdir()
    wrapper, count = programs / "git", programs / "count"
    wrapper.write_text(
        f"#!/bin/sh\nn=$(($(cat {count}) - 1)); echo $n >{count}\n"
        f'[ $n -eq 0 ] && kill -9 $PPID && exit 1\nexec {shutil.which("git")} "$@"\n'
    )
    wrapper.chmod(0o755)
    copy, branch = run.folder / "worktrees" / "slot-1", f"{run.branch}-session-0001"
    for nth in range(1, 100):
        project.git("worktree", "add", "-q", str(copy), "-B", branch, run.branch)
        (copy / f"unsaved-{nth}.txt").write_text("unsaved\n")
        (run.folder / "transcripts").mkdir(exist_ok=True)
        (run.folder / "transcripts" / "session-0001.log").write_text("said\n")
        count.write_text(f"{nth}\n")

        killed = project.pitboss("gc", PATH=f"{programs}:{project.env['PATH']}")

        assert killed.code in (-9, 0), killed
        assert (copy / f"unsaved-{nth}.txt").exists() or rescued_files(project) >= {f"unsaved-{nth}.txt"}
        assert project.pitboss("gc").code == 0
        assert rescued_files(project) >= {f"unsaved-{nth}.txt"}
        assert not copy.exists()
        assert not (run.folder / "transcripts").exists()
        if killed.code == 0:
            break
    assert 5 < nth < 99


def rescued_files(project: Project) -> set[str]:
    tips = project.git("for-each-ref", "--format=%(objectname)", "refs/pitboss/rescue").split()
    return {name for tip in tips for name in project.git("ls-tree", "--name-only", tip).split()}


def test_what_only_a_leftover_branch_of_a_session_holds_too_is_not_held_elsewhere(project: Project) -> None:
    run = completed(project)
    project.git("branch", "-q", f"{run.branch}-session-0007", run.branch)
    project.git("symbolic-ref", "refs/heads/same", f"refs/heads/{run.branch}")

    done = project.pitboss("gc", "--refs")

    assert f"{run.branch} stays: " in done.out
    assert f"refs/heads/{run.branch}-session-0007" not in refs(project)
    assert f"refs/heads/{run.branch}" in refs(project)


def test_refs_go_only_when_asked_for_and_held_elsewhere(project: Project) -> None:
    run = completed(project)

    done = project.pitboss("gc", "--refs")
    assert (
        f"{run.branch} stays: it is checked out or being rebased, or no other ref holds its commits"
        in done.out
    )
    assert f"refs/heads/{run.branch}" in refs(project)

    tip = project.git("rev-parse", run.branch).strip()
    project.git("merge", "-q", "--ff-only", run.branch)
    assert project.pitboss("gc").out == "nothing to remove\n"
    done = project.pitboss("gc", "--refs", "--dry-run")
    assert done.out == f"{run.run_id}  would free 0 B: {run.branch} (was {tip[:12]})\n"
    assert project.pitboss("gc", "--refs").out == done.out.replace("would free", "freed")
    assert f"refs/heads/{run.branch}" not in refs(project)


def test_a_pushed_run_branch_does_not_hold_itself(project: Project, tmp_path: Path) -> None:
    run = completed(project)
    project.git("init", "-q", "--bare", str(tmp_path / "remote.git"))
    project.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    project.git("push", "-q", "origin", run.branch)

    assert " stays: " in project.pitboss("gc", "--refs").out
    assert f"refs/heads/{run.branch}" in refs(project)


def test_two_refs_that_hold_each_other_do_not_both_go(project: Project) -> None:
    run = completed(project)
    for name in ("session-0001", "session-0001-2"):
        project.git("update-ref", f"refs/pitboss/rescue/{run.run_id}/{name}", run.branch)

    assert project.pitboss("gc", "--refs").code == 0

    assert [ref for ref in refs(project) if "pitboss" in ref] == [f"refs/heads/{run.branch}"]


def test_a_named_run_loses_all_its_refs_and_no_other_does(project: Project) -> None:
    run, other = completed(project), completed(project)
    rescued = f"refs/pitboss/rescue/{run.run_id}/session-0001"
    project.git("update-ref", rescued, run.branch)

    done = project.pitboss("gc", "--refs", run.run_id)

    assert done.code == 0
    assert f"{run.branch} (was " in done.out
    assert [ref for ref in refs(project) if "pitboss" in ref] == [f"refs/heads/{other.branch}"]
    assert (other.folder / "events.jsonl").exists()


def test_the_branch_that_is_checked_out_stays_even_if_named(project: Project) -> None:
    run = completed(project)
    project.git("checkout", "-q", run.branch)

    assert f"{run.branch} stays: " in project.pitboss("gc", "--refs", run.run_id).out
    assert f"refs/heads/{run.branch}" in refs(project)


def test_a_branch_that_is_being_rebased_stays_even_if_named(project: Project) -> None:
    run = completed(project)
    stopped_rebase(project, project.root, run.branch)

    assert f"{run.branch} stays: " in project.pitboss("gc", "--refs", run.run_id).out
    go_on_with_rebase(project, project.root)
    assert f"refs/heads/{run.branch}" in refs(project)


def test_a_folder_named_like_a_pattern_matches_no_other_run(project: Project) -> None:
    run = completed(project)
    project.git("update-ref", f"refs/pitboss/rescue/{run.run_id}/session-0001", "main")
    project.git("branch", "-q", f"{run.branch}-session-0007", run.branch)
    odd = run.folder.with_name("*")
    odd.mkdir()
    (odd / "state.json").write_text((run.folder / "state.json").read_text())

    assert project.pitboss("gc", "--refs", "*").code == 0

    assert f"refs/heads/{run.branch}" in refs(project)
    assert f"refs/heads/{run.branch}-session-0007" in refs(project)
    assert f"refs/pitboss/rescue/{run.run_id}/session-0001" in refs(project)


def test_nothing_is_removed_through_a_link(project: Project, tmp_path: Path) -> None:
    run, mine = completed(project), tmp_path / "mine"
    mine.mkdir()
    (mine / "precious").write_text("precious\n")
    for path in (run.folder / "transcripts" / "session-0001.log", run.folder / "events.jsonl"):
        path.unlink()
        path.symlink_to(mine / "precious")
    (run.folder / "worktrees").rename(run.folder / "before")
    (run.folder / "worktrees").symlink_to(mine)

    assert project.pitboss("gc").code == 0

    assert (mine / "precious").read_text() == "precious\n"
    assert not os.path.lexists(run.folder / "events.jsonl")

    transcripts = completed(project).folder / "transcripts"
    transcripts.rename(tmp_path / "moved")
    transcripts.symlink_to(tmp_path / "moved")
    assert project.pitboss("gc").code == 0
    assert (tmp_path / "moved" / "session-0001.log").exists()


def test_runs_say_how_much_disk_they_take(project: Project) -> None:
    run = completed(project)

    (listed,) = project.pitboss("runs", "--disk", "--json").json()
    assert listed["disk_bytes"] > 4096
    assert listed["disk_known"] is True
    table = project.pitboss("runs", "--disk").out.splitlines()
    assert "DISK" in table[0]
    assert "KiB" in table[1]
    assert "disk_bytes" not in project.pitboss("runs", "--json").json()[0]
    assert project.pitboss("gc").code == 0
    assert project.pitboss("runs", "--disk", "--json").json()[0]["disk_bytes"] < listed["disk_bytes"]
    assert run.run_id in table[1]


def test_where_pitboss_never_ran_nothing_is_left_behind(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.git("init", "-q")
    assert project.pitboss("gc") == (0, "nothing to remove\n", "")
    assert project.git("status", "--short", "--ignored") == ""
