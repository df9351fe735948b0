"""Git processes that are kept for what is asked again and again: a start takes longer than the answer (SPEC 1.6).

Whatever they cannot answer is None; then the caller starts git for it, and learns what is wrong.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pitboss.process import capture
from pitboss.process.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_DIFF = ("git", "diff-tree", "--stdin", "-r", "-z", "--name-status", "--no-renames", "--always")
_READ = ("git", "cat-file", "--batch")
_WRITE = ("git", "hash-object", "-w", "--no-filters", "--stdin-paths", "-t")
_WRITTEN = ("commit", "tree", "blob")
_KIND_AND_SIZE = re.compile(rb"[a-z]+ ([0-9]+)")
_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class KeptRunning:
    """The processes for one repository: `env` is that of its git calls, `packs` the folder of its packs."""

    def __init__(self, env: Mapping[str, str], packs: Path) -> None:
        self._env = dict(env)
        self._packs = packs
        self._packs_changed_at: int | None = None
        self._person: bytes | None = None
        self._diffs = Conversation(_DIFF, env)
        self._reads = Conversation(_READ, env)
        self._writers = {kind: Conversation((*_WRITE, kind), env) for kind in _WRITTEN}

    def name_status(self, old: str, new: str) -> bytes | None:
        """What `git diff-tree -r -z --name-status --no-renames` says of two commits, by their full names."""
        # Git repeats a line that begins with no object's name, and so marks the end. An agent's file cannot guess it.
        end = f"={os.urandom(16).hex()}\n".encode()
        said = self._diffs.ask(f"{new} {old}\n".encode() + end, is_whole=lambda said: said.endswith(end))
        heading = f"{new}\0".encode()
        # Of a commit that git cannot find it says nothing at all.
        return said[len(heading) : -len(end)] if said is not None and said.startswith(heading) else None

    def read_object(self, oid: str) -> bytes | None:
        """An object with its header, as its own file would have it, by its full name. Not for large ones."""
        said = self._reads.ask(f"{oid}\n".encode(), is_whole=_is_whole_object)
        heading, _, content = (said or b"").partition(b"\n")
        name, _, header = heading.partition(b" ")
        is_there = name == oid.encode() and _KIND_AND_SIZE.fullmatch(header)
        return header + b"\0" + content[:-1] if is_there else None

    def write_objects(self, kind: str, contents: Sequence[bytes]) -> list[str] | None:
        """Write objects of that kind, given without headers, and return their names."""
        if not hasattr(os, "memfd_create"):
            return None
        self._renew_writers()
        with ExitStack() as held:  # git reads files, and these need no names
            places = [held.enter_context(_unnamed_file(content)) for content in contents]
            said = self._writers[kind].ask(
                "".join(places).encode(), is_whole=lambda said: said.count(b"\n") == len(places)
            )
        names = (said or b"").split()
        is_clear = len(names) == len(contents) and all(map(_OID.fullmatch, names))
        return [name.decode() for name in names] if is_clear else None

    def write_commit(self, tree: str, parent: str, merged: str | None, message: str) -> str | None:
        """Write what `git commit-tree` would, given full names, and return the commit's name."""
        names = [os.fsencode(name) for name in (tree, parent, merged) if name is not None]
        text, person = message.encode(), self._by_whom()
        known = person is not None and all(map(_OID.fullmatch, names))
        if not known or b"\0" in text:
            return None
        who = b"%s %s" % (person, _now())
        head = [b"tree " + names[0], *(b"parent " + name for name in names[1:])]
        content = b"\n".join((*head, b"author " + who, b"committer " + who, b"", text))
        written = self.write_objects("commit", (content,))
        return written[0] if written else None

    def _by_whom(self) -> bytes | None:
        """`NAME <MAIL>` as git spells it: it leaves some characters out."""
        if self._person is None:
            said = capture(("git", "var", "GIT_AUTHOR_IDENT"), cwd="/", env=self._env).stdout
            self._person = said.rpartition(b">")[0] + b">"
        return self._person if len(self._person) > 1 else None

    def _renew_writers(self) -> None:
        """End those who may know a pack that is gone: git writes no object that it takes for packed already."""
        changed_at = _changed_at(self._packs)
        if changed_at != self._packs_changed_at:
            for each in self._writers.values():
                each.close()
            self._packs_changed_at = changed_at

    def close(self) -> None:
        """End them."""
        for each in (self._diffs, self._reads, *self._writers.values()):
            each.close()


def _changed_at(folder: Path) -> int:
    """When a name in a folder last came or went, in nanoseconds since 1970; 0 if there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _now() -> bytes:
    """This moment as git writes it: seconds since the epoch, and the zone."""
    now = time.time()
    return f"{int(now)} {time.strftime('%z', time.localtime(now))}".encode()


@contextmanager
def _unnamed_file(content: bytes) -> Iterator[str]:
    """A line that says where other processes find a file of that content."""
    descriptor = os.memfd_create("object")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/{os.getpid()}/fd/{descriptor}\n"
    finally:
        os.close(descriptor)


def _is_whole_object(said: bytearray) -> bool:
    heading = said.find(b"\n")
    found = _KIND_AND_SIZE.fullmatch(said[:heading].partition(b" ")[2])
    return heading >= 0 and (found is None or len(said) - heading - 1 > int(found[1]))
