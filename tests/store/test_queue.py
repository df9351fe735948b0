"""The queue on disk: what is queued, what is refused, and that a task is taken once (SPEC 10)."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.core.run import WaitingTask
from pitboss.core.selection import Selection
from pitboss.errors import CommandError, StorageError
from pitboss.store import queue
from pitboss.store.claims import Claim, claim, claimed, claims_of
from pitboss.store.paths import RunPaths, queue_dir
from pitboss.store.queue import QueueReader, add, waiting, with_queue, withdraw
from pitboss.store.rundir import RunDir
from pitboss.store.taking import is_unmoved, take, taken, taken_files, was_queued_again
from tests.support.disk import largest_file, names
from tests.support.values import flying, fresh_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "the repo"
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@pytest.fixture
def run(repo: Path) -> RunPaths:
    return RunPaths(repo, "20261126T080000Z-0000")


def ids(repo: Path) -> list[str]:
    return [task.id for task in waiting(repo).tasks]


def problems(repo: Path) -> list[str]:
    """What is wrong with files, each with its name alone."""
    return [str(problem).removeprefix(f"{queue_dir(repo)}/") for problem in waiting(repo).problems]


def by_hand(repo: Path, name: str, text: str = "Fix it.") -> Path:
    queue_dir(repo).mkdir(parents=True, exist_ok=True)
    path = queue_dir(repo) / name
    path.write_text(text)
    return path


def test_tasks_wait_oldest_first(repo: Path) -> None:
    assert waiting(repo) == queue.Queue()
    added = [add(repo, f"Do {n}.", NOW) for n in range(5)]
    assert ids(repo) == added
    assert [task.doc.meta.name for task in waiting(repo).tasks] == ["do-0", "do-1", "do-2", "do-3", "do-4"]
    assert names(queue_dir(repo)) == [f"{task_id}.md" for task_id in added]
    assert {file.stat().st_mode & 0o777 for file in queue_dir(repo).iterdir()} == {0o600}


def test_those_who_queue_at_once_all_get_an_id_of_their_own(repo: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda n: add(repo, f"Do {n}.", NOW), range(40)))
    assert sorted(added) == ids(repo)
    assert {task.doc.body for task in waiting(repo).tasks} == {f"Do {n}." for n in range(40)}


def test_what_a_killed_command_left_behind_is_no_task_and_in_nobodys_way(repo: Path) -> None:
    first = add(repo, "Do it.", NOW)
    withdraw(repo, first)
    by_hand(repo, f".{first}.md.tmp")
    assert waiting(repo) == queue.Queue()
    assert first < add(repo, "Do it.", NOW)


def test_an_id_that_was_taken_once_is_not_given_again(repo: Path, run: RunPaths) -> None:
    first = add(repo, "Do it.", NOW)
    assert take(repo, run, first, 1)
    assert add(repo, "Do it.", NOW) > first


def test_a_task_too_large_to_be_read_is_refused(repo: Path) -> None:
    with pytest.raises(CommandError, match="larger than 1024 KiB"):
        add(repo, "x" * (1024 * 1024 + 1), NOW)
    assert ids(repo) == []


def test_a_full_disk_queues_nothing(repo: Path) -> None:
    queue_dir(repo).mkdir(parents=True)
    with largest_file(0), pytest.raises(StorageError, match="cannot write"):
        add(repo, "Do it.", NOW)
    assert names(queue_dir(repo)) == []


def test_no_name_is_free(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_TRIES", 0)
    with pytest.raises(StorageError, match="no name is free"):
        add(repo, "Do it.", NOW)


def test_what_another_user_owns_is_neither_written_to_nor_run(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(repo, "Do it.", NOW)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(CommandError, match=rf"queue belongs to another user \(uid {other - 1}\)"):
        add(repo, "Do it.", NOW)
    assert ids(repo) == []
    [said] = problems(repo)
    assert "it belongs to another user" in said


def test_files_that_are_no_tasks_are_named_with_what_is_wrong(repo: Path, tmp_path: Path) -> None:
    by_hand(repo, "good.md")
    by_hand(repo, "not a task.txt")
    by_hand(repo, "bad-settings.md", "---\nverify: 1\n---\nFix it.")
    by_hand(repo, "empty.md", "")
    by_hand(repo, "not an id.md")
    by_hand(repo, "binary.md", "a\0b")
    (queue_dir(repo) / "folder.md").mkdir()
    os.mkfifo(queue_dir(repo) / "pipe.md")
    (queue_dir(repo) / "link.md").symlink_to(by_hand(repo, "key", "secret"))
    os.link(tmp_path / "the repo" / ".git" / "HEAD", queue_dir(repo) / "second-name.md")
    assert ids(repo) == ["good"]
    alone = "is not a file of its own that can be read:"
    assert problems(repo) == [
        "bad-settings.md:2: verify: must be true or false, not 1",
        "binary.md:1: contains a NUL byte: this is not a text file",
        "empty.md: has no text to give to an agent",
        f"folder.md: {alone} Is a directory",
        f"link.md: {alone} Too many levels of symbolic links",
        "not an id.md: its name is no id: up to 64 of a-z, A-Z, 0-9, `-` and `_`",
        f"pipe.md: {alone} is not a regular file",
        f"second-name.md: {alone} is a file with a second name",
    ]


def test_a_link_in_place_of_the_queue_is_never_followed(repo: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.md").write_text("Fix it.")
    queue_dir(repo).parent.mkdir(parents=True)
    queue_dir(repo).symlink_to(elsewhere)
    assert waiting(repo) == queue.Queue()
    added = add(repo, "Do it.", NOW)
    assert names(elsewhere) == ["x.md"]
    assert ids(repo) == [added]


def test_a_reader_reads_a_file_again_only_when_it_has_changed(repo: Path) -> None:
    reader = QueueReader(repo)
    by_hand(repo, "a.md", "One.")
    by_hand(repo, "b.md", "Two.")
    before = reader.read()
    assert [one is two for one, two in zip(reader.read().tasks, before.tasks, strict=True)] == [True, True]
    by_hand(repo, "a.md", "Three.")
    (queue_dir(repo) / "b.md").unlink()
    [task] = reader.read().tasks
    assert task.doc.body == "Three."


def test_a_file_that_goes_while_it_is_looked_at_is_not_there(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(repo, "a.md")
    monkeypatch.setattr(queue, "names_in", lambda _: ["a.md", "gone.md"])
    assert ids(repo) == ["a"]


def test_a_task_is_withdrawn_once(repo: Path) -> None:
    task_id = add(repo, "Do it.", NOW)
    assert [withdraw(repo, task_id), withdraw(repo, task_id)] == [True, False]
    (queue_dir(repo) / "folder.md").mkdir()
    with pytest.raises(StorageError, match="cannot remove"):
        withdraw(repo, "folder")


def test_a_task_that_is_taken_moves_into_the_run_directory(repo: Path, run: RunPaths) -> None:
    task_id = add(repo, "Do it.", NOW)
    assert claimed(repo, task_id) is None
    assert take(repo, run, task_id, 3)
    assert claimed(repo, task_id) == Claim(run.run_id, 3)
    assert claims_of(repo, run.run_id) == {3: task_id}
    assert claims_of(repo, "another") == {}
    assert ids(repo) == []
    found = taken(run, task_id)
    assert found is not None
    assert (found.body, found.source_path) == ("Do it.", f"{run.root}/queue/{task_id}.md")
    assert taken(run, "another") is None


def test_taking_may_be_repeated_by_the_session_itself_alone(repo: Path, run: RunPaths) -> None:
    task_id = add(repo, "Do it.", NOW)
    assert [take(repo, run, task_id, 3), take(repo, run, task_id, 3)] == [True, True]
    assert not take(repo, run, task_id, 4)
    assert not take(repo, RunPaths(repo, "another"), task_id, 3)


def test_a_task_that_was_withdrawn_first_is_not_taken(repo: Path, run: RunPaths) -> None:
    task_id = add(repo, "Do it.", NOW)
    withdraw(repo, task_id)
    assert not take(repo, run, task_id, 1)


def test_a_file_that_comes_back_is_not_taken_again(repo: Path, run: RunPaths) -> None:
    task_id = add(repo, "Do it.", NOW)
    take(repo, run, task_id, 1)
    run.queued_task(task_id).rename(queue_dir(repo) / f"{task_id}.md")
    assert not take(repo, run, task_id, 2)
    assert ids(repo) == []
    [said] = problems(repo)
    path = queue_dir(repo) / f"{task_id}.md"
    assert said == (
        f"{task_id}.md: session 1 of run {run.run_id} took it; `pitboss queue add -f '{path}'` queues it again"
    )


def linked(repo: Path) -> Path:
    """A linked working tree of the repository."""
    git = ("git", "-C", str(repo), "-c", "user.name=t", "-c", "user.email=t@t")
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(repo.parent / "linked")], check=True)
    return repo.parent / "linked"


def test_copies_of_a_task_in_two_working_trees_are_one_task(repo: Path, run: RunPaths) -> None:
    other = linked(repo)
    task_id = add(repo, "Do it.", NOW)
    by_hand(other, f"{task_id}.md")
    runs = [(repo, run), (other, RunPaths(other, "another"))]
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda each: take(each[0], each[1], task_id, 1), runs))
    assert sorted(got) == [False, True]


@pytest.mark.parametrize(
    ("interfere", "unmoved"),
    [
        (lambda repo, run, task_id: None, True),
        (lambda repo, run, task_id: claim(repo, task_id, Claim(run.run_id, 1)), True),
        (lambda repo, run, task_id: claim(repo, task_id, Claim("another", 1)), False),
        (lambda repo, run, task_id: take(repo, run, task_id, 1), False),
        (lambda repo, run, task_id: withdraw(repo, task_id), False),
    ],
)
def test_whether_a_dead_session_still_has_to_move_its_task(
    repo: Path, run: RunPaths, interfere: Callable[[Path, RunPaths, str], object], unmoved: bool
) -> None:
    task_id = add(repo, "Do it.", NOW)
    interfere(repo, run, task_id)
    assert is_unmoved(repo, run.run_id, task_id, 1) is unmoved


def test_a_move_that_fails_is_an_error(repo: Path, run: RunPaths) -> None:
    task_id = add(repo, "Do it.", NOW)
    run.queued_task(task_id).mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot move"):
        take(repo, run, task_id, 1)


def test_without_git_nothing_is_taken(tmp_path: Path) -> None:
    run = RunPaths(tmp_path, "rid")
    task_id = add(tmp_path, "Do it.", NOW)
    assert not take(tmp_path, run, task_id, 1)
    assert claims_of(tmp_path, "rid") == {}


def test_a_claim_that_cannot_be_read_is_somebody_elses(repo: Path) -> None:
    folder = repo / ".git" / "pitboss" / "tasks"
    folder.mkdir(parents=True)
    (folder / "a").write_text("not a claim")
    (folder / "b").symlink_to("run:x")
    assert [claimed(repo, "a"), claimed(repo, "b")] == [Claim("unknown", 0), Claim("run", 0)]
    assert not claim(repo, "a", Claim("run", 1))


def test_a_claim_that_cannot_be_made_is_an_error(repo: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        claim(repo, "x" * 300, Claim("run", 1))


def test_a_state_gets_the_tasks_that_its_run_would_take(repo: Path) -> None:
    task_id = add(repo, "---\nname: door\nparallel_safe: true\n---\nDo it.", NOW)
    tasks = (WaitingTask(id=task_id, prompt="door", parallel_safe=True),)
    for selection in (None, Selection(tags=("night",))):
        assert with_queue(repo, fresh_run(selection=selection)).queue == tasks
    for narrow in (Selection(names=("alpha",)), Selection(task_runs=1)):
        assert with_queue(repo, fresh_run(selection=narrow)).queue == ()


def test_a_task_that_is_queued_again_is_marked_unless_it_is_in_flight(repo: Path) -> None:
    with RunDir.create(repo, fresh_run()) as run:
        task_id = add(repo, "Do it.", NOW)
        take(repo, run.paths, task_id, 1)
        file = run.paths.queued_task(task_id)
        run.checkpoint(fresh_run(in_flight=(flying(1, queued=task_id),)))
        was_queued_again(repo, file)
        assert taken_files(run.paths) == {task_id: str(file)}
        run.checkpoint(fresh_run())
        was_queued_again(repo, file)
        assert taken_files(run.paths) == {}
        assert names(run.paths.queued) == [f"{task_id}.md.again"]


def test_no_other_file_is_marked(repo: Path, run: RunPaths) -> None:
    task_id = add(repo, "Do it.", NOW)
    take(repo, run, task_id, 1)
    other = by_hand(repo, "mine.md")
    was_queued_again(repo, other)
    namesake = repo / run.run_id / "queue" / f"{task_id}.md"
    namesake.parent.mkdir(parents=True)
    namesake.write_text("Do it.")
    was_queued_again(repo, namesake)
    was_queued_again(repo, run.queued_task(task_id))  # the run has no state to tell whether it is in flight
    assert (other.exists(), namesake.exists(), run.queued_task(task_id).exists()) == (True, True, True)
