"""A prompt file is looked at by one stat, and read only when it has changed (SPEC 10)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pitboss.core.prompt import PromptDoc, PromptSource, parse_prompt
from pitboss.core.prompt_edit import Rewritten, Unreadable
from pitboss.core.task import TASK, plain_task
from pitboss.store import prompt_watch
from pitboss.store.prompt_watch import PromptWatch
from pitboss.store.user_text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "---\nname: alpha\ndescription: test\n---\nDo it.\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "alpha.md"
    file.write_text(TEXT)
    an_hour_ago(file)
    return file


def an_hour_ago(file: Path) -> None:
    found = file.stat()
    os.utime(file, (found.st_atime - 3600, found.st_mtime - 3600))


def doc(file: Path) -> PromptDoc:
    return parse_prompt(read_text(file), path=str(file), source=PromptSource.PROJECT)


@pytest.fixture
def watch(file: Path) -> PromptWatch:
    watch = PromptWatch({"alpha": doc(file)})
    assert watch.look("alpha") is None  # it is new, so it was read once more
    return watch


_opened: list[str] = []
_listening: list[bool] = []


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The files that this process opens during a test; a hook of Python's, once there, stays."""
    if not _listening:
        sys.addaudithook(lambda event, args: _opened.append(str(args[0])) if event == "open" else None)
        _listening.append(True)
    _opened.clear()
    yield _opened
    _opened.clear()


def test_an_unchanged_file_is_never_read_again(watch: PromptWatch, file: Path, opened: list[str]) -> None:
    for _ in range(3):
        assert watch.look("alpha") is None
    assert str(file) not in opened
    file.write_text(TEXT.replace("it", "that"))
    assert isinstance(watch.look("alpha"), Rewritten)
    assert str(file) in opened


def test_a_file_that_is_new_when_the_watch_begins_is_read_once_more_and_no_other(
    file: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = doc(file)
    monkeypatch.setattr(prompt_watch, "FRESH_S", -3600.0)  # so that nothing is new
    old = PromptWatch({"alpha": known})
    opened.clear()
    assert old.look("alpha") is None
    assert str(file) not in opened
    monkeypatch.undo()
    new = PromptWatch({"alpha": known})
    file.write_text(TEXT.replace("it", "that"))
    assert new.look("alpha") == Rewritten(doc(file))


def test_an_edit_is_told_once_and_a_touch_never(watch: PromptWatch, file: Path) -> None:
    file.write_text(TEXT.replace("it", "that"))
    assert watch.look("alpha") == Rewritten(doc(file))
    assert watch.look("alpha") is None
    file.touch()
    assert watch.look("alpha") is None


def test_an_edit_that_keeps_time_and_size_is_seen(watch: PromptWatch, file: Path) -> None:
    before = file.stat()
    other = file.with_suffix(".new")
    other.write_text(TEXT.replace("it", "IT"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert isinstance(watch.look("alpha"), Rewritten)


def test_what_is_no_prompt_any_more_is_named_until_it_is_one_again(watch: PromptWatch, file: Path) -> None:
    file.write_text("no front matter")
    assert watch.look("alpha") == Unreadable(f"{file}:1: no frontmatter: the first line must be `---`")
    assert watch.look("alpha") is None
    file.unlink()
    assert watch.look("alpha") == Unreadable(f"{file}: does not exist")
    assert watch.look("alpha") is None
    file.write_text(TEXT)
    assert watch.look("alpha") is None
    file.write_text(TEXT + "More.\n")
    assert watch.look("alpha") == Rewritten(doc(file))


def test_a_file_that_changes_while_it_is_read_is_read_again_later(
    watch: PromptWatch, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        text = read_text(path)
        path.write_text(TEXT + "The rest.\n")
        return text

    file.write_text(TEXT + "The r")
    monkeypatch.setattr(prompt_watch, "read_text", read)
    assert watch.look("alpha") is None
    monkeypatch.undo()
    assert watch.look("alpha") == Rewritten(doc(file))


def test_neither_tasks_nor_what_is_not_known_is_looked_for() -> None:
    watch = PromptWatch({TASK: plain_task("x", "-p")})
    assert watch.look(TASK) is watch.look("zulu") is None
