"""The mailbox of a live run: other processes send requests, the run picks them up (SPEC 5, 6, 10).

    control/drain, control/abort, control/skip   the run as a whole: an empty file
    control/skip-SEQ                             one session: an empty file
    control/request-STAMP-BY-TOKEN.json          what has an order or carries a value: `core.requests.Letter`
    .pitboss/skip                                as control/skip, for tools that do not know which run is live

STAMP is when it was sent, in nanoseconds since 1970 and 20 digits, so names sort in that order; BY is the command that
sent it. A request that another user of the machine made, or that says nothing sensible, is refused: it leaves the
mailbox, and the run warns of it. Anything else in the folder is ignored and stays.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import msgspec

from pitboss.core.embed import one_line
from pitboss.core.patterns import lazy_pattern
from pitboss.core.requests import Letter, Received, Request, Skip, Stop
from pitboss.errors import storage_error
from pitboss.store.codec import UNREADABLE
from pitboss.store.files import write_all
from pitboss.store.opening import (
    PRIVATE_FOLDER,
    FolderEntry,
    create,
    entry_at,
    names_at,
    open_entry,
    open_folder,
    open_writing,
    put_in_place,
    status,
)
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pitboss.store.paths import RunPaths

LONGEST = 4096
"""Bytes of the longest letter that is read."""

MOST_AT_ONCE = 64
"""How many letters are taken at one look; the others wait for the next."""

_LETTER = lazy_pattern(r"request-\d{20}-([a-z0-9]{1,32})-[0-9a-f]{8}\.json", re.ASCII)
_SKIP_ONE = lazy_pattern(r"skip-(\d{1,18})", re.ASCII)
_BY_NAME: dict[str, Request] = {"drain": Stop(), "abort": Stop(now=True), "skip": Skip()}
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SHOWN = 120


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A request that the run did not accept, by its `id`, and why, in a sentence; no id: about the folder itself."""

    why: str
    id: str = ""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the mailbox found: requests, letters in the order in which they were sent, and refusals."""

    received: tuple[Received, ...] = ()
    refused: tuple[Refused, ...] = ()


def send(paths: RunPaths, what: Request, *, by: str) -> str:
    """Send a run a request from the command `by`, lower-case letters and digits; returns the id of the request.

    Raises StorageError, RunDirectoryGone.
    """
    match what:
        case Stop(now=now):
            path, content = paths.control / ("abort" if now else "drain"), None
        case Skip(seq=seq):
            path, content = paths.control / "skip" if seq is None else paths.skip(seq), None
        case letter:
            path = paths.control / f"request-{time.time_ns():020}-{by}-{os.urandom(4).hex()}.json"
            content = msgspec.json.encode(letter)
    try:
        _drop(path, content)
    except OSError as error:
        raise storage_error("write", path, error) from error
    return path.name


def is_waiting(paths: RunPaths, request: str) -> bool:
    """Whether the request with that id is still in the mailbox."""
    return status(paths.control / request) is not None


def take_mail(paths: RunPaths, *, letters: bool = True) -> Mail:
    """For the run itself: pick up all requests; letters only if it wants `letters`. Cheap enough for a loop."""
    look = _Look(paths)
    with suppress(OSError), entry_at(paths.skip_file) as at:
        look.at_names(at.folder, (at.name,))
    with suppress(OSError), _opened(paths.control) as folder:
        look.at_folder(folder)
        names = names_at(folder)
        look.at_names(folder, names)
        if letters:
            look.at_letters(folder, sorted(filter(_is_letter, names))[:MOST_AT_ONCE])
    return Mail(received=tuple(look.received), refused=tuple(look.refused))


def throw_away(paths: RunPaths) -> None:
    """Empty the mailbox unread: what is in it was meant for an earlier life of the run."""
    with suppress(OSError), entry_at(paths.skip_file) as at:
        _removed(at.folder, at.name)
    with suppress(OSError), _opened(paths.control) as folder:
        for name in names_at(folder):
            if name.startswith("request-") or _told_by_name(name) is not None:
                _removed(folder, name)


class _Look:
    """One look at the mailbox by the run itself."""

    def __init__(self, paths: RunPaths) -> None:
        self.received: list[Received] = []
        self.refused: list[Refused] = []
        self._paths = paths

    def at_folder(self, folder: int) -> None:
        """Make a folder private that others may write to."""
        mode = os.fstat(folder).st_mode
        if mode & _OTHERS_MAY_WRITE:
            os.fchmod(folder, PRIVATE_FOLDER)
            why = f"others could write to the run's folder control (mode {stat.S_IMODE(mode):o}): it is private now"
            self.refused.append(Refused(why=why))

    def at_names(self, folder: int, names: Iterable[str]) -> None:
        """Take the requests that are told by their names; a folder in such a place does not count."""
        for name in names:
            what = _told_by_name(name)
            found = None if what is None else _status(folder, name)
            if what is None or found is None or not _removed(folder, name):
                continue
            if self._is_ours(found):
                self.received.append(Received(what=what, id=name))
            else:
                self.refused.append(_refused(name, _stranger(found)))

    def at_letters(self, folder: int, names: Iterable[str]) -> None:
        """Take letters; those that are refused are moved out of the way."""
        for name in names:
            found = _status(folder, name)
            if found is None:
                continue
            letter = self._read(folder, name) if self._is_ours(found) else _refused(name, _stranger(found))
            if isinstance(letter, Received):
                self.received += [letter] if _removed(folder, name) else []
            elif self._moved_out(folder, name):
                self.refused.append(letter)

    def _read(self, folder: int, name: str) -> Received | Refused:
        by = _LETTER.fullmatch(name)
        if by is None:
            return _refused(name, "that is not the name of one")
        try:
            with open_entry(FolderEntry(folder, name, ours=True), alone=True) as file:
                data = file.read(LONGEST + 1)
            if len(data) > LONGEST:
                return _refused(name, f"it is longer than {LONGEST} bytes")
            what = from_json(data, cast("type[Letter]", Letter))
        except OSError as error:
            return _refused(name, error.strerror or str(error))
        except UNREADABLE as error:
            return _refused(name, str(error))
        return Received(what=what, id=name, by=by[1])

    def _is_ours(self, found: os.stat_result) -> bool:
        """Whether the runner's user made it; some file systems give all files one owner, the run's own files too."""
        if found.st_uid == os.geteuid():
            return True
        own = status(self._paths.state)
        return own is not None and own.st_uid == found.st_uid

    def _moved_out(self, folder: int, name: str) -> bool:
        """Whether what was refused is out of the mailbox."""
        try:
            refused = open_folder(self._paths.refused, make=True)
        except OSError:
            return _removed(folder, name)
        try:
            os.rename(name, name, src_dir_fd=folder, dst_dir_fd=refused)
        except OSError:
            return _removed(folder, name)
        finally:
            os.close(refused)
        return True


def _is_letter(name: str) -> bool:
    return name.startswith("request-") and not name.endswith(".tmp")


def _told_by_name(name: str) -> Request | None:
    if not name.startswith("skip-"):
        return _BY_NAME.get(name)
    one = _SKIP_ONE.fullmatch(name)
    return Skip(seq=int(one[1])) if one else None


def _refused(name: str, why: str) -> Refused:
    shown = one_line(name, _SHOWN)
    return Refused(id=name, why=f"the request {shown} was refused: {one_line(why, _SHOWN)}")


def _stranger(found: os.stat_result) -> str:
    return f"another user of this machine made it (uid {found.st_uid})"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    folder = open_folder(path)
    try:
        yield folder
    finally:
        os.close(folder)


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def _removed(folder: int, name: str) -> bool:
    """Whether the file was there and is gone now; a folder in its place does not count."""
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    return True


def _drop(path: Path, content: bytes | None) -> None:
    """Put an empty file into the mailbox, or one with `content`, whole or not at all."""
    with entry_at(path.parent) as control, suppress(FileExistsError):
        os.mkdir(control.name, PRIVATE_FOLDER, dir_fd=control.folder)
    if content is None:
        os.close(open_writing(path, os.O_WRONLY | os.O_CREAT))
        return
    with entry_at(path) as at:
        unfinished = at._replace(name=f"{at.name}.tmp")
        descriptor = create(unfinished)
        try:
            write_all(descriptor, content)
            put_in_place(at, unfinished.name)
        except BaseException:
            _removed(at.folder, unfinished.name)
            raise
        finally:
            os.close(descriptor)
