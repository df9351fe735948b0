"""A stamp tells when a file has changed, and is there only for a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.store.stamps import stamp_in, stamp_of, users_stamp

if TYPE_CHECKING:
    from pathlib import Path


def test_a_change_is_seen_although_size_and_time_are_set_back(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    before = users_stamp(file)
    assert before is not None
    assert users_stamp(file) == stamp_of(file) == before
    os.utime(file, ns=(0, before.modified_ns - 10**9))
    os.utime(file, ns=(0, before.modified_ns))
    after = users_stamp(file)
    assert after is not None
    assert after.changed_ns >= before.changed_ns
    assert after._replace(changed_ns=before.changed_ns) == before


def test_nothing_has_no_stamp_and_only_the_users_links_are_followed(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / ".pitboss/link"
    link.parent.mkdir()
    link.symlink_to(file)
    assert users_stamp(link) is stamp_of(file) is None
    file.touch()
    assert users_stamp(link) == stamp_of(file)
    assert stamp_of(link) == stamp_in(link.lstat())
