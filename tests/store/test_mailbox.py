"""Mail to a live run: dropped by other processes, taken once by the run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import RunDirectoryGone
from pitboss.store import mailbox
from pitboss.store.mailbox import Mail, Request, request, request_skip, take_requests
from pitboss.store.opening import names_in
from pitboss.store.rundir import RunDir
from tests.support.values import fresh_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    with RunDir.create(tmp_path, fresh_run()) as directory:
        yield directory


def asked(*run: Request, skip: Iterable[int] = ()) -> Mail:
    return Mail(run=frozenset(run), skip=frozenset(skip))


def test_a_request_is_taken_once_however_often_it_was_made(run: RunDir) -> None:
    for what in (Request.DRAIN, Request.SKIP, Request.DRAIN):
        request(run.paths, what)
    for seq in (3, 12, 3):
        request_skip(run.paths, seq)
    assert take_requests(run.paths) == asked(Request.DRAIN, Request.SKIP, skip={3, 12})
    assert take_requests(run.paths) == asked()


def test_a_request_makes_a_missing_control_directory_again(run: RunDir) -> None:
    run.paths.control.rmdir()
    assert take_requests(run.paths) == asked()
    request(run.paths, Request.ABORT)
    assert take_requests(run.paths) == asked(Request.ABORT)
    run.paths.control.rmdir()
    request_skip(run.paths, 1)
    assert take_requests(run.paths) == asked(skip={1})


def test_other_files_and_folders_among_the_requests_ask_for_nothing_and_stay(run: RunDir) -> None:
    for name in ("abort", "skip-4"):
        (run.paths.control / name).mkdir()
    others = [
        "skip-",
        "skip-x",
        "skip--1",
        "skip-\N{SUPERSCRIPT TWO}",
        "skip-\N{ARABIC-INDIC DIGIT TWO}",
        "drain-1",
        "x",
    ]
    for name in others:
        (run.paths.control / name).touch()
    request(run.paths, Request.DRAIN)
    assert take_requests(run.paths) == asked(Request.DRAIN)
    assert sorted(p.name for p in run.paths.control.iterdir()) == sorted([*others, "abort", "skip-4"])


def test_a_request_to_a_run_that_is_gone_says_so(run: RunDir) -> None:
    shutil.rmtree(run.paths.root)
    with pytest.raises(RunDirectoryGone, match=r"cannot write .*control/abort"):
        request(run.paths, Request.ABORT)


def test_a_request_that_is_withdrawn_while_it_is_read_asks_for_nothing(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    request(run.paths, Request.ABORT)
    request_skip(run.paths, 3)

    def and_withdraw(control: Path) -> list[str]:
        found = names_in(control)
        (control / "abort").unlink()
        return found

    monkeypatch.setattr(mailbox, "names_in", and_withdraw)
    assert take_requests(run.paths) == asked(skip={3})


def test_the_skip_file_of_the_repository_is_a_request_to_skip_and_taken_once(run: RunDir) -> None:
    run.paths.skip_file.touch()
    assert take_requests(run.paths) == asked(Request.SKIP)
    assert not run.paths.skip_file.exists()
    assert take_requests(run.paths) == asked()
