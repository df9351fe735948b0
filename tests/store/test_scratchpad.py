"""The scratchpad: its end for a prompt; lent to parallel sessions, added to in every way agents do, merged once."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.redact import Secrets
from pitboss.core.text import NOTES_LIMIT
from pitboss.errors import StorageError
from pitboss.store.paths import RunPaths
from pitboss.store.rundir import RunDir
from pitboss.store.scratchpad import COMPARED_LIMIT, lend, merge, notes_for_prompt
from tests.support.disk import NO_FILES, largest_file, names, put
from tests.support.values import RUN_ID, fresh_run

GIVEN = b"# Notes\n- a\n"
HEADING = "## session-0003 — alpha\n\n".encode()


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return made(tmp_path)


def made(repo: Path, scratchpad: bytes = GIVEN) -> RunPaths:
    RunDir.create(repo, fresh_run()).close()
    run = RunPaths(repo, RUN_ID)
    run.scratchpad.write_bytes(scratchpad)
    return run


def note(paths: RunPaths, seq: int, text: bytes) -> None:
    with paths.notes(seq).open("ab") as file:
        file.write(text)


def merged(paths: RunPaths, size: int, *, seq: int = 3, again: bool = False) -> bool:
    return merge(paths, seq, "alpha", size, secrets=Secrets(), again=again)


# --- for a prompt -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ("", False)),
        (b"short\n", ("short\n", False)),
        (b"one line too much\nnotes\n", ("notes\n", True)),
        ("é".encode() * 10, ("é" * 5, True)),
        (b"x" + "é".encode() * 10, ("é" * 5, True)),
        ("€".encode() * 10, ("€" * 3, True)),
        (b"\xff\xfe\n", ("��\n", False)),
        (b"y" * 30 + b"\n", ("y" * 9 + "\n", True)),
    ],
    ids=["empty", "short", "line", "character", "shifted", "wide", "invalid", "one-line"],
)
def test_the_scratchpad_is_given_from_the_start_of_a_line_or_character(
    paths: RunPaths, content: bytes, expected: tuple[str, bool]
) -> None:
    paths.scratchpad.write_bytes(content)
    assert notes_for_prompt(paths, limit=10) == expected


def test_a_scratchpad_that_an_agent_removed_is_empty(paths: RunPaths) -> None:
    paths.scratchpad.unlink()
    assert notes_for_prompt(paths) == ("", False)


def test_the_scratchpad_is_limited_to_sixteen_kilobytes(paths: RunPaths) -> None:
    paths.scratchpad.write_bytes(b"note\n" * 10_000)
    text, truncated = notes_for_prompt(paths)
    assert truncated
    assert 16 * 1024 - 5 <= len(text) <= 16 * 1024
    assert set(text.splitlines()) == {"note"}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_an_agent_put_in_place_of_the_scratchpad_blocks_nobody(paths: RunPaths, kind: str) -> None:
    paths.scratchpad.unlink()
    put(paths.scratchpad, kind)
    assert notes_for_prompt(paths) == ("", False)


# --- lending ------------------------------------------------------------------------------------------------


def test_a_session_gets_a_copy_of_the_scratchpad_as_it_is(paths: RunPaths) -> None:
    paths.scratchpad.write_bytes(GIVEN * 10_000)
    paths.notes(3).write_bytes(b"of a session that a crash undid")
    assert lend(paths, 3) == len(GIVEN) * 10_000
    assert paths.notes(3).read_bytes() == GIVEN * 10_000


@pytest.mark.parametrize("found", ["nothing", "a folder", "a pipe"])
def test_a_scratchpad_that_cannot_be_read_is_lent_empty(paths: RunPaths, found: str) -> None:
    obstruct(paths.scratchpad, found)
    assert lend(paths, 3) == 0
    assert paths.notes(3).read_bytes() == b""


@pytest.mark.parametrize("found", ["a folder", "a pipe"])
def test_what_is_in_the_place_of_a_copy_is_set_aside(paths: RunPaths, found: str) -> None:
    paths.notes(3).touch()
    obstruct(paths.notes(3), found)
    assert lend(paths, 3) == len(GIVEN)
    assert paths.notes(3).read_bytes() == GIVEN


def test_a_folder_of_transcripts_that_is_gone_is_made_again(paths: RunPaths) -> None:
    shutil.rmtree(paths.transcripts)
    assert lend(paths, 3) == len(GIVEN)


def test_a_copy_that_cannot_be_written_is_a_storage_error(paths: RunPaths) -> None:
    paths.scratchpad.write_bytes(GIVEN * 1000)
    with largest_file(100), pytest.raises(StorageError, match=r"cannot write .*session-0003.scratchpad.md"):
        lend(paths, 3)


# --- merging ------------------------------------------------------------------------------------------------


def test_what_a_session_appended_becomes_a_section(paths: RunPaths) -> None:
    size = lend(paths, 3)
    note(paths, 3, b"- b \xff\n")
    assert merged(paths, size)
    assert paths.scratchpad.read_bytes() == GIVEN + b"\n" + HEADING + b"- b \xff\n"


def test_sections_follow_in_the_order_of_merging_each_on_a_fresh_line(tmp_path: Path) -> None:
    paths = made(tmp_path, b"no newline")
    sizes = {seq: lend(paths, seq) for seq in (3, 4)}
    note(paths, 3, b"- from 3")
    note(paths, 4, b"- from 4")
    assert merge(paths, 4, "bravo", sizes[4], secrets=Secrets(), again=False)
    assert merged(paths, sizes[3])
    assert paths.scratchpad.read_text() == (
        "no newline\n\n## session-0004 — bravo\n\n- from 4\n\n## session-0003 — alpha\n\n- from 3\n"
    )


def test_of_a_file_written_anew_the_new_lines_are_merged(paths: RunPaths) -> None:
    size = lend(paths, 3)
    paths.notes(3).write_bytes(b"- new\n- a\n# Notes\n")
    paths.scratchpad.write_bytes(GIVEN + b"- merged since\n")
    assert merged(paths, size)
    assert paths.scratchpad.read_bytes() == GIVEN + b"- merged since\n\n" + HEADING + b"- new\n"


def test_of_a_long_file_written_anew_what_follows_the_unchanged_beginning_is_merged(tmp_path: Path) -> None:
    paths = made(tmp_path, b"- same\n" * (COMPARED_LIMIT // 7) + b"- before\n- end\n")
    size = lend(paths, 3)
    paths.notes(3).write_bytes(b"- same\n" * (COMPARED_LIMIT // 7) + b"- after\n- end\n")
    assert merged(paths, size)
    assert paths.scratchpad.read_bytes().endswith(HEADING + b"after\n- end\n")


def test_of_an_endless_file_no_more_than_its_end_is_merged(paths: RunPaths) -> None:
    size = lend(paths, 3)
    note(paths, 3, b"x\n" * NOTES_LIMIT)
    assert merged(paths, size)
    assert len(GIVEN) + NOTES_LIMIT - 100 < paths.scratchpad.stat().st_size < len(GIVEN) + NOTES_LIMIT + 200
    assert b"(only the last part" in paths.scratchpad.read_bytes()


def test_a_scratchpad_that_was_cut_since_counts_as_far_as_it_goes(paths: RunPaths) -> None:
    size = lend(paths, 3)
    note(paths, 3, b"- b\n")
    paths.scratchpad.write_bytes(b"# Notes\n")
    assert merged(paths, size)
    assert paths.scratchpad.read_bytes() == b"# Notes\n\n" + HEADING + b"- a\n- b\n"


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("added", [b"", b"\n \n"])
def test_a_session_that_noted_nothing_leaves_the_scratchpad_alone(
    paths: RunPaths, added: bytes, *, again: bool
) -> None:
    size = lend(paths, 3)
    note(paths, 3, added)
    assert not merged(paths, size, again=again)
    assert paths.scratchpad.read_bytes() == GIVEN


@pytest.mark.parametrize("found", ["nothing", "a folder", "a pipe"])
def test_a_session_s_file_that_cannot_be_read_is_nothing(paths: RunPaths, found: str) -> None:
    size = lend(paths, 3)
    paths.notes(3).touch()
    obstruct(paths.notes(3), found)
    assert not merged(paths, size)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("found", ["a folder", "a pipe"])
def test_what_is_in_the_place_of_the_scratchpad_is_set_aside_and_the_notes_are_merged(
    paths: RunPaths, found: str, *, again: bool
) -> None:
    size = lend(paths, 3)
    note(paths, 3, b"- b\n")
    obstruct(paths.scratchpad, found)
    assert merged(paths, size, again=again)
    assert b"- b\n" in paths.scratchpad.read_bytes()
    assert "scratchpad.md.set-aside-1" in names(paths.root)


def test_a_scratchpad_that_was_deleted_is_begun_again(paths: RunPaths) -> None:
    size = lend(paths, 3)
    note(paths, 3, b"- b\n")
    paths.scratchpad.unlink()
    assert merged(paths, size)
    assert paths.scratchpad.read_bytes() == HEADING + GIVEN + b"- b\n"


# --- merging again after a crash ----------------------------------------------------------------------------


@pytest.mark.parametrize("given_bytes", [b"", b"x", GIVEN, b"\n", HEADING + b"- b\n"])
@pytest.mark.parametrize(
    "earlier", [b"", b"- from 2\n", b"#", HEADING, HEADING + b"- b\n- c\n", b"y" * 70_000]
)
def test_wherever_a_crash_cuts_a_merge_off_merging_again_completes_it(
    tmp_path: Path, given_bytes: bytes, earlier: bytes
) -> None:
    paths = made(tmp_path, given_bytes)
    sizes = {seq: lend(paths, seq) for seq in (2, 3)}
    note(paths, 2, earlier)
    note(paths, 3, b"- b\n## \n- c\n")
    merge(paths, 2, "bravo", sizes[2], secrets=Secrets(), again=False)
    before = paths.scratchpad.stat().st_size
    assert merged(paths, sizes[3])
    whole = paths.scratchpad.read_bytes()
    for cut in range(before, len(whole) + 1):
        paths.scratchpad.write_bytes(whole[:cut])
        assert merged(paths, sizes[3], again=True)
        assert paths.scratchpad.read_bytes() == whole


def test_a_section_that_others_follow_is_not_merged_again(paths: RunPaths) -> None:
    sizes = {seq: lend(paths, seq) for seq in (3, 4)}
    note(paths, 3, b"- b\n" * 20_000)
    note(paths, 4, b"- c\n" * 20_000)
    assert merged(paths, sizes[3])
    assert merged(paths, sizes[4], seq=4)
    whole = paths.scratchpad.read_bytes()
    for seq in (3, 4):
        assert merged(paths, sizes[seq], seq=seq, again=True)
    assert paths.scratchpad.read_bytes() == whole


def test_a_section_that_another_session_foretold_is_merged_all_the_same(paths: RunPaths) -> None:
    sizes = {seq: lend(paths, seq) for seq in (2, 3)}
    note(paths, 2, b"- x\n\n" + HEADING + b"- b\n")
    note(paths, 3, b"- b\n")
    assert merge(paths, 2, "alpha", sizes[2], secrets=Secrets(), again=False)
    for _ in range(2):
        assert merged(paths, sizes[3], again=True)
    assert paths.scratchpad.read_bytes().count(b"\n" + HEADING + b"- b\n") == 1


pieces = st.sampled_from([b"a", b"\n", b"#", b"## session-", HEADING, b"- b\n", b"\xff", b" ", b"\r\n"])
texts = st.lists(pieces, max_size=6).map(b"".join)


@given(texts, texts, texts, st.data())
def test_whatever_sessions_write_each_is_merged_once_and_nothing_before_changes(
    start: bytes, first: bytes, second: bytes, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = made(Path(folder), start)
        sizes = {seq: lend(paths, seq) for seq in (2, 3)}
        note(paths, 2, first)
        note(paths, 3, second)
        merged(paths, sizes[2], seq=2)
        between = paths.scratchpad.read_bytes()
        had_notes = merged(paths, sizes[3])
        whole = paths.scratchpad.read_bytes()
        assert between.startswith(start)
        assert whole.startswith(between)
        assert had_notes == bool(second.strip()) == (whole != between)
        cut = data.draw(st.integers(len(between), len(whole)))
        paths.scratchpad.write_bytes(whole[:cut])
        assert merged(paths, sizes[3], again=True) == had_notes
        merged(paths, sizes[2], seq=2, again=True)
        assert paths.scratchpad.read_bytes() == whole


def obstruct(path: Path, by: str) -> None:
    path.unlink()
    if by == "a folder":
        path.mkdir()
    elif by == "a pipe":
        os.mkfifo(path)


@pytest.mark.parametrize("again", [False, True])
def test_secrets_in_notes_are_not_merged_and_a_second_merge_knows_the_section(
    paths: RunPaths, *, again: bool
) -> None:
    secrets = Secrets(["s3cr3t-of-the-house"])
    size = lend(paths, 3)
    note(paths, 3, b"the key is s3cr3t-of-the-house, use it\n")
    assert merge(paths, 3, "alpha", size, secrets=secrets, again=again)
    assert merge(paths, 3, "alpha", size, secrets=secrets, again=True)
    assert paths.scratchpad.read_bytes() == GIVEN + b"\n" + HEADING + b"the key is [redacted], use it\n"
