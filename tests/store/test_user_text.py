"""What lies under a name that a user may write: only a small text file is read, all else is one problem."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pitboss.errors import InputError
from pitboss.store.user_text import MAX_BYTES, read_text

KERNEL_SYMBOLS = Path("/proc/kallsyms")  # megabytes, but says that it is empty


def problem(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_text(path)
    (only,) = caught.value.problems
    assert only.file == str(path)
    return str(only).removeprefix(str(path))


def test_a_text_file_is_read_to_the_letter_without_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\ttw\xc3\xb6")
    assert read_text(path) == "one\r\n\ttwö"


def test_a_symlink_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("text", encoding="utf-8")
    (tmp_path / "a.md").symlink_to("target")
    assert read_text(tmp_path / "a.md") == "text"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"one\ntwo\xff\n", ":2: is not UTF-8 text (byte 0xff)"),
        (b"\xef\xbb\xbf\xff", ":1: is not UTF-8 text (byte 0xff)"),
        (b"one\n\ntwo\0\n", ":3: contains a NUL byte: this is not a text file"),
        ("---\nname: a\n---\n".encode("utf-16"), ":1: contains a NUL byte: this is not a text file"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(content)
    assert problem(path) == reason


def test_the_largest_file_is_read_and_a_larger_one_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"x" * MAX_BYTES)
    assert len(read_text(path)) == MAX_BYTES
    os.truncate(path, 50 * MAX_BYTES)
    assert problem(path) == ": is larger than 1024 KiB"


@pytest.mark.skipif(not KERNEL_SYMBOLS.exists(), reason="needs a file whose size is not what it says")
def test_a_file_that_lies_about_its_size_is_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / "a.md").symlink_to(KERNEL_SYMBOLS)
    with pytest.raises(InputError, match="is larger than 1024 KiB"):
        read_text(tmp_path / "a.md")


def test_a_missing_file_and_a_dangling_symlink_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "dangling.md").symlink_to("nowhere")
    assert problem(tmp_path / "missing.md") == ": does not exist"
    assert problem(tmp_path / "dangling.md") == ": is a symlink whose target does not exist"


def test_a_symlink_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").symlink_to("a.md")
    assert problem(tmp_path / "a.md") == ": cannot be read: Too many levels of symbolic links"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path) == ": is a directory, not a file"


def test_a_pipe_that_nobody_writes_to_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.md")
    assert problem(tmp_path / "a.md") == ": is not a regular file"


def test_a_socket_and_a_device_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.md")
    (tmp_path / "b.md").symlink_to("/dev/zero")
    assert problem(tmp_path / "a.md") == ": is not a regular file"
    assert problem(tmp_path / "b.md") == ": is not a regular file"
