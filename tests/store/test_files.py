"""Durable writes against real failures of the kernel: full devices, size limits, missing directories."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import RunDirectoryGone, StorageError, storage_error
from pitboss.store.files import (
    append_durable,
    first_free,
    make_directory,
    read_regular,
    sync_directory,
    write_atomic,
    write_new,
)
from tests.support.disk import NO_FILES, largest_file, names, open_descriptors, put

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = Path("/dev/full")


@contextmanager
def asked_of_the_kernel(*names: str) -> Iterator[list[str]]:
    """Those of the built-in functions called `names` that are called meanwhile, in order."""
    asked: list[str] = []

    def note(_frame: object, event: str, function: object) -> None:
        name = getattr(function, "__name__", "")
        if event == "c_call" and name in names:
            asked.append(name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield asked
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("durable", [True, False])
def test_a_write_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    write_atomic(path, b"new", durable=durable)
    assert (path.read_bytes(), names(tmp_path)) == (b"new", ["file"])


@pytest.mark.parametrize(
    ("durable", "calls"),
    [(True, ["fsync", "replace", "fsync"]), (False, ["fdatasync", "replace"])],
)
def test_the_new_content_is_on_the_disk_before_it_replaces_the_old(
    tmp_path: Path, durable: bool, calls: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with asked_of_the_kernel("fsync", "fdatasync", "replace") as asked:
        write_atomic(path, b"new", durable=durable)
    assert asked == calls


def test_chunks_are_written_one_after_the_other(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", (str(n).encode() for n in range(5)))
    assert (tmp_path / "file").read_bytes() == b"01234"


def test_a_temporary_file_left_by_a_crash_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "file.tmp").write_bytes(b"half of something that was longer")
    write_atomic(tmp_path / "file", b"whole")
    assert ((tmp_path / "file").read_bytes(), names(tmp_path)) == (b"whole", ["file"])


def test_a_temporary_file_that_leads_elsewhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / "file.tmp").symlink_to(tmp_path / "elsewhere")
    write_atomic(tmp_path / "file", b"new")
    assert [(tmp_path / name).read_bytes() for name in ("elsewhere", "file")] == [b"theirs", b"new"]


def test_a_write_that_stops_half_way_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with largest_file(1000), pytest.raises(StorageError, match="File too large"):
        write_atomic(path, b"x" * 5000)
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["file"])


def test_a_source_that_fails_half_way_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def source() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, source())
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["file"])


def test_a_write_into_a_directory_that_is_gone_says_so(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "file"
    with pytest.raises(RunDirectoryGone) as failure:
        write_atomic(path, b"new")
    assert str(failure.value) == f"cannot write {path}: No such file or directory"


@pytest.mark.parametrize("durable", [True, False])
def test_an_append_adds_to_a_file_and_creates_a_missing_one(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    append_durable(path, b"one\n", durable=durable)
    append_durable(path, b"two\n", durable=durable)
    assert path.read_bytes() == b"one\ntwo\n"


def test_an_append_that_stops_half_way_leaves_no_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    with largest_file(1000), pytest.raises(StorageError) as failure:
        append_durable(path, b"x" * 5000)
    assert str(failure.value) == f"cannot append to {path}: File too large"
    assert (failure.value.hint or "").startswith("raise the limit on the size of a file, as by `ulimit -f")
    assert path.read_bytes() == b"one\n"


def test_an_append_to_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.symlink_to(FULL)
    with pytest.raises(StorageError, match="No space left on device") as failure:
        append_durable(path, b"x")
    assert (failure.value.hint or "").startswith("free some disk space")


def test_an_append_into_a_directory_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryGone):
        append_durable(tmp_path / "gone" / "file", b"x")


def test_reading_a_regular_file_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abcde")
    (tmp_path / "link").symlink_to(path)
    assert [read_regular(path, n) for n in (3, 9)] == [b"abc", b"abcde"]
    assert read_regular(tmp_path / "link", 9) == b"abcde"
    assert read_regular(tmp_path / "gone", 9) is None


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_regular_file_is_not_read_and_blocks_nobody(tmp_path: Path, kind: str) -> None:
    put(tmp_path / "file", kind)
    before = open_descriptors()
    assert read_regular(tmp_path / "file", 9) is None
    assert open_descriptors() == before


def test_a_directory_is_made_with_its_parents_and_may_be_there_already(tmp_path: Path) -> None:
    path = tmp_path / ".pitboss" / "b" / "c"
    make_directory(path)
    make_directory(path)
    assert path.is_dir()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_where_a_directory_should_be_is_a_storage_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        make_directory(tmp_path / "file" / below)


def test_making_the_names_of_a_missing_directory_durable_fails(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryGone, match="cannot make durable"):
        sync_directory(tmp_path / "gone")


def test_the_first_free_name_counts_from_one_and_respects_dangling_links(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert first_free(path, "torn") == tmp_path / "file.torn-1"
    (tmp_path / "file.torn-1").write_bytes(b"")
    (tmp_path / "file.torn-2").symlink_to("nowhere")
    assert first_free(path, "torn") == tmp_path / "file.torn-3"


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.ENOSPC, StorageError, "free some disk space"),
        (errno.EDQUOT, StorageError, "free some disk space"),
        (errno.EMFILE, StorageError, "ulimit -n"),
        (errno.ENOMEM, StorageError, "free some memory"),
        (errno.EROFS, StorageError, "mounted read-only"),
        (errno.EACCES, StorageError, "permissions"),
        (errno.EPERM, StorageError, "permissions"),
        (errno.EIO, StorageError, "reported a failure"),
        (errno.ENOENT, RunDirectoryGone, "deleted or moved"),
        (errno.ENOTDIR, RunDirectoryGone, "deleted or moved"),
        (errno.ESTALE, RunDirectoryGone, "deleted or moved"),
    ],
)
def test_every_failure_names_the_file_the_reason_and_a_way_out(number: int, kind: type, hint: str) -> None:
    error = storage_error("write", Path("/run/state.json"), OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert str(error) == f"cannot write /run/state.json: {os.strerror(number)}"
    assert hint in (error.hint or "")


def test_what_is_written_is_for_its_owner_alone_unless_the_caller_says_otherwise(tmp_path: Path) -> None:
    write_atomic(tmp_path / "state", b"x")
    append_durable(tmp_path / "log", b"x")
    append_durable(tmp_path / "shared", b"x", mode=0o644)
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in names(tmp_path)}
    assert modes == {"state": 0o600, "log": 0o600, "shared": 0o644}


def test_a_file_is_read_and_kept_from_everybody_else_and_a_missing_one_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "open").write_bytes(b"abc")
    (tmp_path / "open").chmod(0o644)
    assert [read_regular(tmp_path / name, 2, private=True) for name in ("open", "missing")] == [b"ab", None]
    assert names(tmp_path) == ["open"]
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_a_file_that_cannot_be_kept_from_others_is_told() -> None:
    with pytest.raises(StorageError, match="cannot change the mode of /proc/self/status"):
        read_regular("/proc/self/status", 9, private=True)


def test_a_new_file_takes_no_name_that_is_taken_or_about_to_be(tmp_path: Path) -> None:
    assert write_new(tmp_path / "a", b"one")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / ".b.tmp").touch()
    assert [write_new(tmp_path / name, b"two") for name in ("a", "link", "b")] == [False, False, False]
    assert (names(tmp_path), (tmp_path / "a").read_bytes()) == ([".b.tmp", "a", "link"], b"one")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_new_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with largest_file(2), pytest.raises(StorageError, match="cannot write"):
        write_new(tmp_path / "a", b"one")
    assert names(tmp_path) == []
