"""Git processes that are kept for what is asked again and again: a start takes longer than the answer (SPEC 1.6).

Whatever they cannot answer is None; then the caller starts git for it, and learns what is wrong.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from pitboss.process import capture
from pitboss.process.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIFF = ("git", "diff-tree", "--stdin", "-r", "-z", "--name-status", "--no-renames", "--always")
_WRITE = ("git", "hash-object", "-t", "commit", "-w", "--no-filters", "--stdin-paths")
_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class KeptRunning:
    """The processes for one repository, whose git calls have the environment `env`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._person: bytes | None = None
        self._diffs = Conversation(_DIFF, env)
        self._writes = Conversation(_WRITE, env)

    def name_status(self, old: str, new: str) -> bytes | None:
        """What `git diff-tree -r -z --name-status --no-renames` says of two commits, by their full names."""
        # Git repeats a line that begins with no object's name, and so marks the end. An agent's file cannot guess it.
        end = f"={os.urandom(16).hex()}\n".encode()
        said = self._diffs.ask(f"{new} {old}\n".encode() + end, is_whole=lambda said: said.endswith(end))
        heading = f"{new}\0".encode()
        # Of a commit that git cannot find it says nothing at all.
        return said[len(heading) : -len(end)] if said is not None and said.startswith(heading) else None

    def write_commit(self, tree: str, parent: str, merged: str | None, message: str) -> str | None:
        """Write what `git commit-tree` would, given full names, and return the commit's name."""
        names = [os.fsencode(name) for name in (tree, parent, merged) if name is not None]
        text, person = message.encode(), self._by_whom()
        known = person is not None and all(map(_OID.fullmatch, names))
        if not known or b"\0" in text or not hasattr(os, "memfd_create"):
            return None
        who = b"%s %s" % (person, _now())
        head = [b"tree " + names[0], *(b"parent " + name for name in names[1:])]
        return self._written(b"\n".join((*head, b"author " + who, b"committer " + who, b"", text)))

    def _by_whom(self) -> bytes | None:
        """`NAME <MAIL>` as git spells it: it leaves some characters out."""
        if self._person is None:
            said = capture(("git", "var", "GIT_AUTHOR_IDENT"), cwd="/", env=self._env).stdout
            self._person = said.rpartition(b">")[0] + b">"
        return self._person if len(self._person) > 1 else None

    def _written(self, content: bytes) -> str | None:
        """The name under which git has written a commit. It reads files, and this one needs no name."""
        descriptor = os.memfd_create("commit")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            place = f"/proc/{os.getpid()}/fd/{descriptor}\n".encode()
            said = self._writes.ask(place, is_whole=lambda said: said.endswith(b"\n"))
        finally:
            os.close(descriptor)
        oid = (said or b"").strip()
        return oid.decode() if _OID.fullmatch(oid) else None

    def close(self) -> None:
        """End them."""
        self._diffs.close()
        self._writes.close()


def _now() -> bytes:
    """This moment as git writes it: seconds since the epoch, and the zone."""
    now = time.time()
    return f"{int(now)} {time.strftime('%z', time.localtime(now))}".encode()
