"""A viewer that stays with a real run: attached late, across a kill and a resume, to its end and after (SPEC 10)."""

from __future__ import annotations

import os
import shlex
from signal import SIGKILL
from typing import TYPE_CHECKING

from pitboss.cli.shared.desk import RepositoryDesk
from pitboss.core.condition import Condition
from pitboss.core.events import Phase
from pitboss.core.needs import needs
from pitboss.core.timeline import lanes
from pitboss.store.follow import snapshot
from pitboss.store.opening import remove_tree
from pitboss.store.paths import RunPaths
from pitboss.store.run_watch import RunWatch
from pitboss.store.session_page import session_page
from pitboss.store.situation import situation
from pitboss.store.transcript import Transcript
from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.needs import Need
    from pitboss.store.follow import Snapshot


def needed(project: Project, seen: Snapshot) -> tuple[Need, ...]:
    assert seen.state is not None
    return needs(situation(project.root, seen, RepositoryDesk(project.root).in_git(seen.state)))


def works_on(seen: Snapshot, seq: int) -> bool:
    """Whether the agent of a session is seen to work."""
    flight = seen.view.flight(seq)
    return flight is not None and flight.phase is Phase.AGENT


def test_a_viewer_stays_with_a_run_across_a_kill_and_a_resume(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("a-first", "echo 1 > one.txt", max_runs=1)
    project.prompt("b-held", f"echo at the gate; {gate.script}; echo 2 > two.txt", max_runs=2)
    with grinding(project) as live:
        gate.wait()
        watch = RunWatch(project.root, the_run(project).run_id)
        wait_until(lambda: works_on(watch.look(), 2) and len(watch.look().records) == 1)
        seen = watch.look()
        flight = seen.view.flight(2)
        assert flight is not None
        assert (flight.prompt, flight.agent) == ("b-held", "shell")
        page = session_page(RunPaths(project.root, seen.run_id), seen, 2)
        assert page is not None
        wait_until(lambda: Transcript(page.files[0].path).last().lines[-1:] == ("at the gate",))
        os.kill(live.runner(), SIGKILL)
        live.process.wait()
    seen = watch.look()
    assert (seen.condition, [each.seq for each in seen.view.in_flight]) == (Condition.CRASHED, [2])
    assert [need.command for need in needed(project, seen)] == [f"pitboss repair {seen.run_id}"]

    gate.open()
    assert project.pitboss("grind", "--resume").code == 0
    seen = watch.look()
    assert (seen.condition, seen.view.in_flight) == (Condition.COMPLETED, ())
    assert [(each.seq, str(each.status)) for each in seen.records] == [(1, "ok"), (2, "aborted"), (3, "ok")]
    assert [span.seq for lane in lanes(seen.records, (), seen.tracks) for span in lane.spans] == [1, 2, 3]
    assert seen == RunWatch(project.root, seen.run_id).look(), "as whoever comes later sees it"
    short = snapshot(project.root, seen.run_id)
    assert (short.records, short.view.used, short.view.recent) == (
        seen.records,
        seen.view.used,
        seen.view.recent,
    )


def test_every_command_that_needs_a_person_works_as_it_is_pasted_and_starts_no_session(
    project: Project,
) -> None:
    project.prompt("a-land", "echo new > new.txt", max_runs=1)
    project.prompt("b-fail", "echo half > half.txt; exit 3", max_runs=1)
    project.prompt("c-test", "echo bad > bad.txt", max_runs=1, verify=True)
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n[tests]\ncommand = "echo no; false"\n')
    ended = project.pitboss("grind")
    run = the_run(project)
    watch = RunWatch(project.root, run.run_id)
    listed = needed(project, watch.look())
    assert [(need.kind, need.seq) for need in listed] == [("verify", 3), ("rescued", 2), ("not_landed", None)]
    for need in listed[:2]:
        assert f"needs you: {need.what}" in ended.err
    said = project.pitboss("status").out
    for need in listed:
        assert f"\n{need.what}" in said
        assert f"\n  {need.command}\n" in said
        program, *args = shlex.split(need.command)
        if program == "pitboss":
            assert project.pitboss(*args).code == 0
        else:
            project.git(*args)
    assert len(run.records) == 3
    project.git("update-ref", "-d", watch.look().records[1].rescue[0])
    assert [need.kind for need in needed(project, watch.look())] == ["verify"]


def test_a_run_is_shown_when_its_events_or_all_of_it_are_gone(project: Project) -> None:
    project.prompt("alpha", "echo new > new.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    whole = RunWatch(project.root, run.run_id).look()
    (run.folder / "events.jsonl").write_bytes(os.urandom(5000))
    torn = RunWatch(project.root, run.run_id).look()
    assert (torn.records, torn.view.used, torn.view.recent) == (
        whole.records,
        whole.view.used,
        whole.view.recent,
    )
    remove_tree(run.folder)
    gone = RunWatch(project.root, run.run_id).look()
    assert (gone.records, "its directory is gone" in (gone.problem or "")) == (whole.records, True)
    assert next(need.command for need in needed(project, gone)) == f"pitboss repair {run.run_id}"
    assert project.pitboss("repair", run.run_id).code == 0
