"""What every desk answers, be it the one of a repository or the script that tests of screens play (SPEC 10)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from pitboss.cli.shared.desk import RepositoryDesk
from pitboss.core.needs import InGit
from pitboss.core.session import SessionStatus
from pitboss.core.touched import Fate, TouchedFile
from pitboss.screens.desk import Changes, Desk, FileChange, RescuedWork
from pitboss.screens.scripted_desk import DeskScript, ScriptedDesk
from pitboss.store.run_watch import RunWatch
from tests.support.cli import Project
from tests.support.runs import the_run
from tests.support.values import record, run_state

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord

LANDED = ("diff --git a/new.txt b/new.txt", "new file mode 100644", "@@ -0,0 +1 @@", "+new")
HALF = ("diff --git a/half.txt b/half.txt", "+half")


class Night(NamedTuple):
    """A desk, and the run it is asked about: session 1 landed, 2 did nothing, 3 and 4 failed and were rescued.

    What session 4 did conflicts with the working tree.
    """

    desk: Desk
    state: RunState
    records: tuple[SessionRecord, ...]


def real(folder: Path) -> Night:
    project = Project.create(folder / "project")
    project.prompt("a-land", "echo new > new.txt")
    project.prompt("b-idle", "true")
    project.prompt("c-fail", "echo half > half.txt; exit 3")
    project.prompt("d-clash", "echo theirs > ours.txt; exit 3")
    assert project.pitboss("grind", "--max-iterations", "4").code == 3
    project.write("ours.txt", "ours\n")
    project.commit("ours")
    seen = RunWatch(project.root, the_run(project).run_id).look()
    assert seen.state is not None
    return Night(RepositoryDesk(project.root), seen.state, seen.records)


def scripted(folder: Path) -> Night:
    del folder
    refs = {seq: f"refs/pitboss/rescue/rid/session-{seq:04}" for seq in (3, 4)}
    records = [record(1), record(2, commit=None)]
    records += [
        record(seq, status=SessionStatus.ERROR, commit=None, rescue=(ref,), reason="exit_code: 3")
        for seq, ref in refs.items()
    ]
    half = Changes(files=(FileChange(path="half.txt", added=1, removed=0, lines=HALF),))
    made = datetime(2026, 5, 1, tzinfo=UTC)
    script = DeskScript(
        changes={1: Changes(files=(FileChange(path="new.txt", added=1, removed=0, lines=LANDED),)), 3: half},
        rescued=tuple(
            RescuedWork(ref=ref, name=f"rid/session-{seq:04}", seq=seq, made_at=made, why="exit code: 3")
            for seq, ref in refs.items()
        ),
        rescued_changes={refs[3]: half},
        conflicts={refs[4]: ("ours.txt",)},
        touched={1: (TouchedFile(path="new.txt", fate=Fate.ADDED, added=1),)},
        onto="main",
        not_landed=1,
    )
    return Night(ScriptedDesk(script), run_state(), tuple(records))


@pytest.fixture(scope="module", params=[real, scripted], ids=["real", "scripted"])
def night(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Night:
    made: Night = request.param(tmp_path_factory.mktemp("night"))
    return made


def test_a_session_that_landed_shows_its_files_and_their_lines(night: Night) -> None:
    (file,) = night.desk.changes(night.records[0], None).files
    assert (file.path, file.added, file.removed, file.left_out) == ("new.txt", 1, 0, False)
    assert set(LANDED) <= set(file.lines)
    assert file.lines[0] == LANDED[0]


def test_the_files_that_landed_sessions_touched_are_known_by_session(night: Night) -> None:
    touched = night.desk.touched(night.records)
    assert touched == {1: (TouchedFile(path="new.txt", fate=Fate.ADDED, added=1),)}
    assert night.desk.touched(night.records[1:]) == {}


def test_a_session_that_failed_shows_what_was_rescued(night: Night) -> None:
    changes = night.desk.changes(night.records[2], night.records[0].commit)
    assert ([file.path for file in changes.files], changes.note) == (["half.txt"], "")
    brought = night.desk.rescued_changes(night.records[2].rescue[0]).files
    assert set(changes.files) <= set(brought), "beside what had landed before it, if that is not checked out"


def test_a_session_that_did_nothing_says_so(night: Night) -> None:
    assert night.desk.changes(night.records[1], None) == Changes(note="session 2 left no work behind")


def test_rescued_work_is_listed_with_its_session_and_why(night: Night) -> None:
    found = night.desk.rescued(night.state.run_id)
    assert [(work.seq, work.ref) for work in found] == [
        (each.seq, each.rescue[0]) for each in night.records[2:]
    ]
    assert [work.name for work in found] == [f"{night.state.run_id}/session-{seq:04}" for seq in (3, 4)]
    assert all(work.why.startswith("exit code: 3") for work in found)
    assert night.desk.rescued("another-run") == ()


def test_git_knows_what_is_still_rescued_and_what_has_not_landed(night: Night) -> None:
    kept: dict[str, int | None] = {ref: each.seq for each in night.records for ref in each.rescue}
    assert night.desk.in_git(night.state) == InGit(rescued=kept, onto="main", not_landed=1)


def test_a_rescue_that_conflicts_changes_nothing_and_says_where(night: Night) -> None:
    reply = night.desk.apply_rescue(night.records[3].rescue[0])
    assert (reply.done, "conflicts" in reply.text, "ours.txt" in reply.text) == (False, True, True)
    assert reply.hint.startswith("`git merge refs/")


def test_what_is_not_there_cannot_be_shown_or_applied(night: Night) -> None:
    assert night.desk.apply_rescue("nothing").text == "no rescue ref nothing"
    assert night.desk.rescued_changes("nothing") == Changes(
        note="there is no diff to show: no rescue ref nothing"
    )


def test_output_of_an_agent_it_does_not_know_is_shown_as_it_is_without_harm(night: Night) -> None:
    assert night.desk.readable(None, b"one\n\x1b[2J\n") == ("one", "^[[2J")
    assert night.desk.readable("nobody", b"") == ()


def test_applied_work_is_in_the_tree_uncommitted(night: Night) -> None:
    name = f"{night.state.run_id}/session-0003"
    reply = night.desk.apply_rescue(name)
    assert reply.done
    assert re.fullmatch(rf"applied {name}: \d files? changed, nothing committed", reply.text)
    assert reply.hint == f"commit it; then `pitboss rescue drop {name}` takes it off the list"
    assert night.desk.in_git(night.state).applied == {night.records[2].rescue[0]}
    if isinstance(night.desk, ScriptedDesk):
        assert night.desk.applied == [night.records[2].rescue[0]]
    else:
        again = night.desk.apply_rescue(name)
        assert (again.done, again.text) == (False, "the working tree is not clean")


def test_a_queued_task_is_taken_by_the_next_run_and_an_empty_one_is_refused(night: Night) -> None:
    reply = night.desk.queue_task("Mend it.")
    assert (reply.done, reply.hint) == (True, "")
    assert re.fullmatch(r"queued \S+: the next run takes it.*", reply.text)
    assert not night.desk.queue_task(" ").done


def test_a_repository_that_is_not_one_has_no_answers_and_raises_nothing(tmp_path: Path) -> None:
    desk = RepositoryDesk(tmp_path)
    line = record(1, rescue=("refs/one",))
    assert desk.changes(line, "abc").note.startswith("there is no diff to show: ")
    assert (desk.rescued("rid"), desk.in_git(run_state())) == ((), InGit())
    assert not desk.apply_rescue("rid/session-0001").done


def test_a_landed_session_with_more_rescued_and_a_branch_that_is_gone(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.write("one.bin", "\0binary")
    project.write("two.txt", "two\n" * 6000)
    project.commit("more")
    tip = project.git("rev-parse", "HEAD").strip()
    desk = RepositoryDesk(project.root)
    changes = desk.changes(record(1, commit=tip, rescue=("refs/more",)), f"{tip}^")
    assert changes.note == "more work was rescued: refs/more"
    binary, large = changes.files
    assert (binary.added, binary.lines[-1]) == (None, "Binary files /dev/null and b/one.bin differ")
    assert (large.added, large.lines, large.left_out) == (6000, (), True)
    gone = msgspec.structs.replace(run_state(), original_branch="gone")
    assert desk.in_git(gone) == InGit()


def test_a_run_branch_that_is_damaged_hides_no_rescued_work(tmp_path: Path) -> None:
    night = real(tmp_path)
    kept = night.desk.in_git(night.state).rescued
    branch = tmp_path / "project/.git/refs/heads" / night.state.branch
    branch.write_text(f"{'1' * 40}\n")
    assert (len(kept), night.desk.in_git(night.state)) == (2, InGit(rescued=kept, onto="main"))
