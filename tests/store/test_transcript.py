"""Transcripts by windows: nothing is lost between two of them, and nothing harmful is shown."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.errors import StorageError
from pitboss.store.transcript import Transcript, Window
from tests.support.disk import NO_FILES, put

NAME = Path(".pitboss/session-0001.log")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / ".pitboss").mkdir()
    return tmp_path / NAME


def written(path: Path, data: bytes) -> Transcript:
    path.write_bytes(data)
    return Transcript(path)


def forwards(transcript: Transcript, length: int) -> list[Window]:
    windows = [transcript.at(0, length)]
    while not windows[-1].is_last:
        windows.append(transcript.after(windows[-1], length))
    return windows


def backwards(transcript: Transcript, length: int) -> list[Window]:
    windows = [transcript.last(length)]
    while not windows[0].is_first:
        windows.insert(0, transcript.before(windows[0], length))
    return windows


texts = st.lists(st.sampled_from(["a", "é", "𝄞", "line\n", "\n", "a longer line than most\n"])).map("".join)


@given(texts, st.integers(4, 40))
def test_windows_in_either_direction_hold_every_byte_once(text: str, length: int) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / ".pitboss").mkdir()
        transcript = written(Path(folder) / NAME, text.encode())
        for windows in (forwards(transcript, length), backwards(transcript, length)):
            assert b"".join(window.raw for window in windows) == text.encode()
            assert all(window.raw.decode() is not None for window in windows), "no character is torn"
            assert transcript.size == windows[-1].size == len(text.encode())


def test_windows_begin_and_end_between_lines(path: Path) -> None:
    transcript = written(path, b"one\ntwo\nthree\nfour")
    last = transcript.last(9)
    assert (last.lines, last.is_first, last.is_last) == (("four",), False, True)
    assert transcript.before(last, 9).lines == ("three",)
    assert transcript.at(4, 6).lines == ("two",)
    assert transcript.at(5, 9).lines == ("three",)
    assert transcript.at(0).lines == ("one", "two", "three", "four")
    assert transcript.at(99) == Window(start=18, end=18, size=18, raw=b"")


def test_a_file_that_grows_is_followed_and_one_that_was_cut_is_read_from_its_end(path: Path) -> None:
    transcript = written(path, b"one\n")
    seen = transcript.last()
    assert transcript.after(seen).lines == ()
    with path.open("ab") as file:
        file.write(b"two\nhal")
    seen = transcript.after(seen)
    assert (seen.lines, seen.is_last) == (("two", "hal"), True)
    path.write_bytes(b"cut\n")
    assert transcript.after(seen) == Window(start=4, end=4, size=4, raw=b"")


def test_what_a_terminal_would_act_on_is_shown_as_marks(path: Path) -> None:
    transcript = written(path, b"\x1b[2Jred\r\nover\rwritten\n\xff\x00\n")
    assert transcript.last().lines == ("^[[2Jred", "over^Mwritten", r"\xff^@")


def test_a_text_is_found_by_the_line_that_it_is_in_in_any_case(path: Path) -> None:
    head = b"x" * (1 << 20)
    transcript = written(path, b"one\nTwo two\n" + head + b"\nthe Needle\nmore needle\n")
    assert transcript.find("two") == 4
    assert transcript.find("one", 4) is None
    needle = transcript.find("nEEdle")
    assert needle is not None
    assert transcript.at(needle, 12).lines == ("the Needle",)
    assert transcript.find("needle", needle + 11) == needle + 11
    assert transcript.find("") is None
    assert transcript.find("nowhere") is None
    assert transcript.find("x") == 12
    torn = written(path, b"a" * ((1 << 20) - 2) + b"needle")
    assert torn.find("needle") == 0, "across two reads"


def test_a_file_of_any_size_opens_at_once(path: Path) -> None:
    with path.open("wb") as file:
        os.truncate(file.fileno(), 200 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast\n")
    assert Transcript(path).last(64).lines[-1] == "last"


def test_where_there_is_no_file_there_is_nothing_to_see(path: Path) -> None:
    transcript = Transcript(path)
    assert (transcript.size, transcript.last().lines, transcript.find("x")) == (0, (), None)


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_not_read(path: Path, kind: str) -> None:
    put(path, kind)
    with pytest.raises(StorageError):
        Transcript(path).last()
    with pytest.raises(StorageError):
        Transcript(path).find("x")
