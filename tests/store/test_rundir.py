"""A run's directory: made whole, recorded into, and noticed when it is taken away."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.core.stops import RunStatus
from pitboss.errors import RunDirectoryGone, StorageError
from pitboss.store import mirrored_log, rundir, sessions_md
from pitboss.store.backup import Backup
from pitboss.store.catalogue import latest_run, list_runs, read_state
from pitboss.store.files import append_durable, write_atomic
from pitboss.store.opening import take_notices
from pitboss.store.paths import RunPaths, prompts_dir, runs_dir
from pitboss.store.record_codec import encode_record
from pitboss.store.rundir import RunDir
from pitboss.store.state_codec import encode_state
from tests.support.disk import largest_file, names, open_descriptors
from tests.support.values import RUN_ID, flying, fresh_run, record, run_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# --- creating and opening -----------------------------------------------------------------------------------


def test_a_new_run_has_every_file_of_the_contract(tmp_path: Path) -> None:
    with RunDir.create(tmp_path, fresh_run()) as run:
        assert names(run.paths.root) == [
            "control",
            "scratchpad.md",
            "sessions.jsonl",
            "sessions.md",
            "state.json",
            "transcripts",
            "worktrees",
        ]
        assert run.paths.log.read_bytes() == run.paths.scratchpad.read_bytes() == b""
        assert run.paths.markdown.read_text() == "# Sessions\n"
        assert read_state(run.paths) == fresh_run()
    assert (runs_dir(tmp_path) / ".gitignore").read_text() == "*\n"


def test_the_ignore_file_of_the_runs_is_left_as_the_user_made_it(tmp_path: Path) -> None:
    runs_dir(tmp_path).mkdir(parents=True)
    (runs_dir(tmp_path) / ".gitignore").write_text("# mine\n")
    RunDir.create(tmp_path, fresh_run()).close()
    assert (runs_dir(tmp_path) / ".gitignore").read_text() == "# mine\n"


def test_an_existing_run_is_never_overwritten(run: RunDir, tmp_path: Path) -> None:
    run.record(record(1))
    with pytest.raises(StorageError, match=r"cannot create .*/rid: File exists"):
        RunDir.create(tmp_path, fresh_run())
    assert run.paths.log.read_bytes() == encode_record(record(1))


def test_a_run_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    RunDir.create(tmp_path, fresh_run(run_id="first")).close()
    with largest_file(100), pytest.raises(StorageError, match=r"cannot write .*state.json"):
        RunDir.create(tmp_path, fresh_run())
    assert [listing.run_id for listing in list_runs(tmp_path)] == ["first"]
    assert not RunPaths(tmp_path, RUN_ID).root.exists()


def test_a_run_that_is_interrupted_while_it_is_made_leaves_nothing_behind(tmp_path: Path) -> None:
    class Interrupted(Backup):
        def keep_state(self, run_id: str, data: bytes) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RunDir.create(tmp_path, fresh_run(), Interrupted(tmp_path))
    assert names(runs_dir(tmp_path)) == [".gitignore"]


def test_opening_a_run_makes_its_missing_directories_again(run: RunDir, tmp_path: Path) -> None:
    shutil.rmtree(run.paths.control)
    run.paths.transcripts.rmdir()
    with RunDir.open(tmp_path, RUN_ID) as again:
        assert again.paths.control.is_dir()
        assert again.paths.transcripts.is_dir()


def test_a_run_that_is_not_there_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryGone, match="there is no run directory"):
        RunDir.open(tmp_path, RUN_ID)


def test_a_file_where_a_directory_of_the_run_should_be_is_set_aside(run: RunDir, tmp_path: Path) -> None:
    run.paths.control.rmdir()
    run.paths.control.write_bytes(b"")
    RunDir.open(tmp_path, RUN_ID).close()
    assert run.paths.control.is_dir()
    assert "control.set-aside-1" in names(run.paths.root)


# --- state --------------------------------------------------------------------------------------------------


def test_a_checkpoint_replaces_the_state(run: RunDir) -> None:
    run.checkpoint(run_state(status=RunStatus.ABORTED))
    assert read_state(run.paths) == run_state(status=RunStatus.ABORTED)
    run.checkpoint(run_state(), durable=False)
    assert run.paths.state.read_bytes() == encode_state(run_state())


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "reading {path}: No such file or directory"), (b"{not json", "parsing {path}: ")],
)
def test_a_state_that_cannot_be_read_names_its_file(run: RunDir, content: bytes | None, why: str) -> None:
    run.paths.state.unlink()
    if content is not None:
        run.paths.state.write_bytes(content)
    with pytest.raises(StateUnreadable) as failure:
        read_state(run.paths)
    expected = f'grind run "rid": failed to read state: {why.format(path=run.paths.state)}'
    assert failure.value.message.startswith(expected)


# --- records ------------------------------------------------------------------------------------------------


def test_records_are_appended_as_lines(run: RunDir, tmp_path: Path) -> None:
    run.record(record(1))
    run.record(record(2))
    with RunDir.open(tmp_path, RUN_ID) as resumed:
        resumed.record(record(3))
    assert run.paths.log.read_bytes() == b"".join(encode_record(record(n)) for n in (1, 2, 3))


def test_a_log_that_is_missing_when_the_run_goes_on_is_made_again(run: RunDir) -> None:
    run.paths.log.unlink()
    run.record(record(1))
    assert run.paths.log.read_bytes() == encode_record(record(1))


def test_recording_keeps_one_descriptor_open(run: RunDir) -> None:
    run.record(record(1))
    before = open_descriptors()
    for seq in range(2, 20):
        run.record(record(seq))
        sessions_md.append(run.paths, record(seq))
        run.checkpoint(run_state(last_session_seq=seq), durable=False)
    assert open_descriptors() == before
    run.close()
    run.close()
    assert open_descriptors() == before - 1


REMOVALS = ("", "runs", "runs/rid", "runs/rid/sessions.jsonl", "runs/rid/state.json")


@pytest.fixture
def backed(tmp_path: Path) -> Iterator[RunDir]:
    """A live run whose records are also kept in git's folder, with one record."""
    take_notices()
    (tmp_path / ".git").mkdir()
    with RunDir.create(tmp_path, fresh_run(), Backup(tmp_path)) as directory:
        directory.checkpoint(fresh_run(in_flight=(flying(1),)))
        directory.record(record(1))
        yield directory
    take_notices()


def whole(run: RunDir, *seqs: int) -> bool:
    """Whether the run has these records, in its log and in the copy."""
    expected = b"".join(encode_record(record(n)) for n in seqs)
    copy = Backup(run.paths.root.parents[3]).log(RUN_ID)
    return copy is not None and [run.paths.log.read_bytes(), copy.read_bytes()] == [expected, expected]


@pytest.mark.parametrize("removed", REMOVALS)
def test_what_is_removed_while_the_run_is_live_is_made_again(
    backed: RunDir, tmp_path: Path, removed: str
) -> None:
    gone = tmp_path / ".pitboss/grind" / removed
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    backed.record(record(2))
    assert whole(backed, 1, 2)
    backed.checkpoint(fresh_run(last_session_seq=2))
    assert read_state(backed.paths) == fresh_run(last_session_seq=2)
    if "/" not in removed.removeprefix("runs/"):
        assert names(backed.paths.root) == [
            *(
                "control",
                "scratchpad.md",
                "sessions.jsonl",
                "sessions.md",
                "state.json",
                "transcripts",
                "worktrees",
            )
        ]
        assert take_notices()


def cut(path: Path) -> None:
    path.write_bytes(b"")


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"ok", b"no"))


def replace(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


HARM = (cut, spoil, replace, link, Path.unlink, lambda path: path.write_bytes(path.read_bytes() + b"garbage"))


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("which", ["log", "copy"])
def test_a_log_that_is_harmed_while_the_run_is_live_is_made_again_from_the_other_one(
    backed: RunDir, tmp_path: Path, harm: Callable[[Path], object], which: str
) -> None:
    copy = Backup(tmp_path).log(RUN_ID)
    assert copy is not None
    harm(backed.paths.log if which == "log" else copy)
    backed.record(record(2))
    backed.record(record(3))
    assert whole(backed, 1, 2, 3)
    assert (take_notices() != []) == (which == "log" or harm is link)


def test_what_is_deleted_with_its_copy_is_made_again_from_what_is_open(
    backed: RunDir, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / ".pitboss")
    shutil.rmtree(tmp_path / ".git/pitboss")
    backed.record(record(2))
    assert whole(backed, 1, 2)


@pytest.mark.parametrize("harm", [Path.unlink, replace, link])
def test_a_log_that_is_taken_away_right_when_a_record_is_written_holds_it_all_the_same(
    backed: RunDir, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], object]
) -> None:
    def and_take_away(path: Path, data: bytes, *, descriptor: int, durable: bool = True) -> None:
        append_durable(path, data, descriptor=descriptor, durable=durable)
        if path == backed.paths.log:
            harm(path)

    with monkeypatch.context() as race:
        race.setattr(mirrored_log, "append_durable", and_take_away)
        backed.record(record(2))
    assert whole(backed, 1, 2)
    assert not backed.paths.log.is_symlink()
    backed.record(record(3))
    assert whole(backed, 1, 2, 3)


def test_a_run_directory_that_is_taken_away_right_when_the_state_is_written_is_made_again(
    backed: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by an agent's `rm -rf` at the moment when its pid is noted."""
    left = [backed.paths.root, backed.paths.root.parent]

    def taken_away(path: Path, data: bytes, *, durable: bool = True) -> None:
        if left:
            shutil.rmtree(left.pop())
        write_atomic(path, data, durable=durable)

    with monkeypatch.context() as race:
        race.setattr(rundir, "write_atomic", taken_away)
        backed.checkpoint(fresh_run(last_session_seq=1))
    assert left == []
    assert read_state(backed.paths) == fresh_run(last_session_seq=1)
    assert whole(backed, 1)


def test_all_that_was_removed_while_the_run_is_live_is_made_again_and_told(tmp_path: Path) -> None:
    take_notices()
    (tmp_path / ".git").mkdir()
    prompts_dir(tmp_path).mkdir(parents=True)
    (prompts_dir(tmp_path) / "a.md").write_text("a")
    RunDir.create(tmp_path, fresh_run(run_id="earlier")).close()
    backup = Backup(tmp_path)
    with RunDir.create(tmp_path, fresh_run(), backup) as run:
        backup.keep()
        run.record(record(1))
        shutil.rmtree(tmp_path / ".pitboss")
        run.record(record(2))
        assert whole(run, 1, 2)
    assert (prompts_dir(tmp_path) / "a.md").read_text() == "a"
    assert RunPaths(tmp_path, "earlier").state.is_file()
    told = "\n".join(take_notices())
    for text in (
        "run rid was removed",
        "every prompt was gone",
        "run earlier (without its transcripts)",
    ):
        assert text in told


def test_the_copy_of_the_state_is_as_of_the_latest_start_of_a_session_or_the_end(
    backed: RunDir, tmp_path: Path
) -> None:
    both, later = (flying(1), flying(2)), (flying(2), flying(3))
    started = fresh_run(in_flight=both)
    backed.checkpoint(started)
    backed.checkpoint(fresh_run(in_flight=both[1:], last_session_seq=1))
    assert Backup(tmp_path).state(RUN_ID) == started
    for state in (fresh_run(in_flight=later), fresh_run(in_flight=later, status=RunStatus.ABORTED)):
        backed.checkpoint(state)
        assert Backup(tmp_path).state(RUN_ID) == state


@pytest.mark.parametrize("removed", ["", "runs/rid", "runs/rid/transcripts", "runs/rid/control"])
def test_the_subdirectories_of_a_live_run_are_made_again_before_anything_is_recorded(
    backed: RunDir, tmp_path: Path, removed: str
) -> None:
    shutil.rmtree(tmp_path / ".pitboss/grind" / removed)
    backed.make_subdirectories()
    for folder in (backed.paths.transcripts, backed.paths.worktrees, backed.paths.control):
        assert folder.is_dir()
    assert whole(backed, 1)


def test_a_log_and_a_copy_that_are_both_spoilt_are_an_error(backed: RunDir, tmp_path: Path) -> None:
    copy = Backup(tmp_path).log(RUN_ID)
    assert copy is not None
    cut(backed.paths.log)
    cut(copy)
    with pytest.raises(StorageError, match="was damaged while the run was live, and so was its copy"):
        backed.record(record(2))


def test_modes_and_second_names_are_no_damage(backed: RunDir) -> None:
    backed.paths.log.chmod(0)
    (backed.paths.root / "second").hardlink_to(backed.paths.log)
    backed.record(record(2))
    assert whole(backed, 1, 2)
    assert backed.paths.log.stat().st_mode & 0o777 == 0o600
    assert take_notices() == []


def test_a_copy_that_cannot_be_kept_is_nobodys_loss(backed: RunDir, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / ".git")
    for seq in (2, 3):
        backed.record(record(seq))
        backed.checkpoint(fresh_run(last_session_seq=seq))
    assert backed.paths.log.read_bytes() == b"".join(encode_record(record(n)) for n in (1, 2, 3))


@pytest.mark.parametrize("copied", [0, 1, 2, 3, 4])
def test_a_copy_ahead_of_or_behind_the_log_is_brought_to_it_when_the_run_goes_on(
    backed: RunDir, tmp_path: Path, copied: int
) -> None:
    """A kill between the two writes leaves it one behind; the log is the truth."""
    backed.record(record(2))
    backed.close()
    copy = Backup(tmp_path).log(RUN_ID)
    assert copy is not None
    copy.write_bytes(b"".join(encode_record(record(n)) for n in range(1, copied + 1)))
    with RunDir.open(tmp_path, RUN_ID, Backup(tmp_path)) as again:
        again.record(record(3))
    assert whole(backed, 1, 2, 3)


def test_a_log_with_a_second_name_is_gone_on_with_and_the_other_name_keeps_what_it_has(
    run: RunDir, tmp_path: Path
) -> None:
    run.record(record(1))
    run.close()
    (tmp_path / "kept").hardlink_to(run.paths.log)
    with RunDir.open(tmp_path, RUN_ID) as again:
        again.record(record(2))
    assert (tmp_path / "kept").read_bytes() == encode_record(record(1))
    assert run.paths.log.read_bytes() == encode_record(record(1)) + encode_record(record(2))


def test_a_run_directory_that_was_gone_before_anything_was_written_is_an_error(
    run: RunDir, tmp_path: Path
) -> None:
    again = RunDir(run.paths)
    shutil.rmtree(run.paths.root)
    with pytest.raises(RunDirectoryGone):
        again.record(record(1))


# --- what nobody could read again ---------------------------------------------------------------------------


def test_a_state_that_nobody_could_read_again_replaces_none(run: RunDir) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*state.json: it could not be read back: .*seq"):
        run.checkpoint(fresh_run(last_session_seq=2**64))
    assert read_state(run.paths) == fresh_run()


def test_a_record_that_nobody_could_read_again_is_not_appended(run: RunDir) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*sessions.jsonl: it could not be read back"):
        run.record(record(1, tokens=(2**64, 0)))
    assert run.paths.log.read_bytes() == b""


def test_a_run_whose_state_nobody_could_read_again_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="it could not be read back"):
        RunDir.create(tmp_path, fresh_run(last_session_seq=2**64))
    assert names(runs_dir(tmp_path)) == [".gitignore"]


def test_the_latest_run_is_the_first_of_all_runs_readable_or_not(tmp_path: Path) -> None:
    assert latest_run(tmp_path) is None
    for number, name in enumerate(("old", "new", "mid")):
        updated = datetime(2026, 4, 30, (9, 18, 12)[number], tzinfo=UTC)
        RunDir.create(tmp_path, run_state(run_id=name, last_updated_at=updated)).close()
    assert latest_run(tmp_path) == list_runs(tmp_path)[0].run_id == "new"

    RunPaths(tmp_path, "mid").state.write_bytes(b"{")
    assert latest_run(tmp_path) == list_runs(tmp_path)[0].run_id == "mid"

    RunPaths(tmp_path, "mid").state.unlink()
    RunPaths(tmp_path, "mid").log.unlink()
    assert latest_run(tmp_path) == list_runs(tmp_path)[0].run_id == "new"
