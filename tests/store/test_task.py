"""The task of a run: kept before the run exists, restored with it, read back without trust (SPEC 7, 10)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.core.prompt_template import new_prompt
from pitboss.core.session import SessionStatus
from pitboss.core.task import TASK, plain_task, task_text
from pitboss.errors import InputError, ResumeError
from pitboss.store.backup import Backup
from pitboss.store.opening import take_notices
from pitboss.store.paths import RunPaths, config_path, runs_dir
from pitboss.store.rundir import RunDir
from pitboss.store.task import given_task, kept_inputs, kept_task, task_inputs
from tests.support.values import flying, fresh_run, record

if TYPE_CHECKING:
    from pathlib import Path

TEXT = task_text(plain_task("Fix it.", "-p")).encode()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_a_task_is_there_as_soon_as_its_run_is(repo: Path) -> None:
    with RunDir.create(repo, fresh_run(), Backup(repo), TEXT) as run:
        assert kept_task(repo, run.paths.run_id).body == "Fix it.\n"
        assert run.paths.task.stat().st_mtime_ns <= run.paths.state.stat().st_mtime_ns


def test_a_task_comes_back_with_the_directory_of_a_live_run_also_of_one_that_goes_on(repo: Path) -> None:
    RunDir.create(repo, fresh_run(), None, TEXT).close()
    with RunDir.open(repo, fresh_run().run_id) as run:
        run.checkpoint(fresh_run())
        shutil.rmtree(run.paths.root)
        run.checkpoint(fresh_run())
        assert run.paths.task.read_bytes() == TEXT
    assert any(
        text.startswith(f"the directory of run {run.paths.run_id} was removed") for text in take_notices()
    )


def test_a_task_comes_back_with_a_run_that_was_wiped_at_rest(repo: Path) -> None:
    RunDir.create(repo, fresh_run(), Backup(repo), TEXT).close()
    shutil.rmtree(runs_dir(repo))
    Backup(repo).bring_back()
    assert kept_task(repo, fresh_run().run_id).body == "Fix it.\n"
    Backup(repo.parent).keep_task("x", TEXT)  # where git has no folder, nothing is kept


def test_a_task_that_is_gone_or_spoilt_is_refused(repo: Path, tmp_path: Path) -> None:
    paths = RunPaths(repo, fresh_run().run_id)
    RunDir.create(repo, fresh_run(), None, TEXT).close()
    paths.task.write_bytes(b"a\0b")
    with pytest.raises(InputError, match="NUL byte"):
        kept_task(repo, paths.run_id)
    paths.task.write_bytes(b"x" * (2 * 1024 * 1024))
    with pytest.raises(InputError, match="is larger than"):
        kept_task(repo, paths.run_id)
    paths.task.unlink()
    with pytest.raises(ResumeError, match="the task of run"):
        kept_task(repo, paths.run_id)
    (tmp_path / "elsewhere").write_bytes(TEXT)
    paths.task.hardlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResumeError, match="the task of run"):
        kept_task(repo, paths.run_id)


def test_a_task_that_somebody_removed_or_spoilt_is_read_from_its_copy(repo: Path) -> None:
    RunDir.create(repo, fresh_run(), Backup(repo), TEXT).close()
    paths = RunPaths(repo, fresh_run().run_id)
    for spoilt in (b"a\0b", b""):
        paths.task.write_bytes(spoilt)
        assert kept_task(repo, paths.run_id).body == "Fix it.\n"
    paths.task.unlink()
    assert kept_task(repo, paths.run_id).body == "Fix it.\n"


def test_a_turn_that_was_cut_short_is_given_again(repo: Path) -> None:
    kept = task_text(plain_task("Fix it.", "-p")).encode()
    state = fresh_run()
    with RunDir.create(repo, state, None, kept) as run:
        for seq, status in enumerate(
            (SessionStatus.OK, SessionStatus.ABORTED, SessionStatus.SKIPPED, SessionStatus.ERROR), start=1
        ):
            run.record(record(seq, prompt=TASK, status=status))
        run.record(record(5, prompt="door", status=SessionStatus.ABORTED, queued="t1"))
    assert _turns(repo) == 3 + 1
    assert _turns(repo, flying(6), flying(7, queued="t2")) == 3 + 2


def _turns(repo: Path, *in_flight: object) -> int | None:
    state = msgspec.structs.replace(fresh_run(), in_flight=in_flight)
    return kept_inputs(repo, state, 3).rotation.entries[0].max_runs_override


def test_a_file_becomes_a_task_unless_it_is_still_the_template(repo: Path) -> None:
    (repo / "mine.md").write_text("Fix it.")
    task = given_task(repo / "mine.md")
    assert (task.body, task.source_path) == ("Fix it.\n", str(repo / "mine.md"))
    assert task_inputs(repo, task, 1).library.prompts == {TASK: task}
    (repo / "mine.md").write_text(new_prompt("mine"))
    with pytest.raises(InputError, match="is still the template's text"):
        task_inputs(repo, given_task(repo / "mine.md"), 1)
    config_path(repo).parent.mkdir()
    config_path(repo).write_text("[grind]\nmax_parallel = 0\n")
    with pytest.raises(InputError, match="max_parallel"):
        task_inputs(repo, task, 1)
