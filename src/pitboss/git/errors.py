"""What git says when it fails, and what kind of failure that is (SPEC 1.8)."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.errors import FREE_SPACE, FULL, GO_ON, SHORTAGES, WHEN_GIT_FAILED, StartError, StorageError
from pitboss.process import PROCESSES, EndedBy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.process import Captured

_NO_SPACE = ("No space left on device", "Disk quota exceeded", "Out of diskspace")
_BROKEN_INDEX = lazy_pattern(
    r"index file corrupt|bad index|bad signature|index file smaller than expected|index uses|index file open failed"
    r"|unknown index entry format|malformed name field|(?:unordered|multiple) stage entries|link extension"
    r"|exceeds base index size|broken index, expect|[eE]rror building trees"
)
# Git looks at all worktrees, and gives up if another git is in the middle of making one.
_HALF_MADE = lazy_pattern(rb"failed to read .*worktrees/[^/]+/commondir")
_LOCKED = lazy_pattern(
    r"\.lock': File exists|cannot lock ref '[^']*': is at |unable to lock|could not lock|another git process"
    r"|cannot lock ref '[^']*': unable to resolve reference '[^']*': reference not found"
)
_HELD = lazy_pattern(r"Unable to create '(.+\.lock)': File exists")
_REFUSED = lazy_pattern(
    r"error: invalid path '|aborted by hook|hook declined|(?:clean|smudge) filter '|external filter '|bad config"
    r"|must be run in a work tree|bad numeric config|unknown repository extension|exists; cannot create"
)
_NO_REPOSITORY = "not a git repository"
_UNREACHABLE = "fatal: Could not read from remote repository.\n"
_ADVICE_ENDS = "and the repository exists.\n"
_BROKEN_OBJECTS = lazy_pattern(
    r"(?:object|pack|packfile|file) .*(?:is corrupt|is empty|hash mismatch|cannot be accessed|does not match index)"
    r"|(?:unable to (?:read (?:tree|blob object|sha1 file)|unpack|find|parse commit)|failed to unpack tree object) "
    r"|(?:unable to|Could not) read [0-9a-f]{40}|missing (?:blob|tree|commit) object|bad (?:tree )?object "
    r"|missing necessary objects|unresolved delta|inflate: data stream error|invalid sha1 pointer"
)
_CANNOT_CONVERT = lazy_pattern(
    r"BOM is (?:required|prohibited) in '|failed to encode '|encoding '.*' from .* and back is not the same"
)
_SENSELESS_ATTRIBUTE = "no valid working-tree-encodings"
_IN_THE_WAY = lazy_pattern(r"'([^']+)' exists; cannot create")
_REFUSED_PATH = lazy_pattern(r"^error: invalid path '(.+)'$", re.MULTILINE)
_FILTER = lazy_pattern(r"(?:clean|smudge) filter '([^']+)' failed")


class Kind(StrEnum):
    """What a failure calls for."""

    FULL_DISK = "full disk"
    """Nothing can go on."""
    RACE = "race"
    """Someone was quicker, or holds a lock: wait, then try again."""
    REFUSED = "refused"
    """Something refused, and would refuse again."""
    GONE = "gone"
    """There is no repository, or just now a part of it is elsewhere."""
    OTHER = "other"
    """Unknown: one more try shows whether it was transient."""


class GitError(StorageError):
    """A git command failed unexpectedly; the tree is as the command left it. `stderr` is what git said."""

    def __init__(self, argv: Sequence[str], stderr: str, *, code: int) -> None:
        command = next((a for a in argv[1:] if not a.startswith("-") and "=" not in a), "git")
        super().__init__(
            f"git {command} failed: {_cause(stderr) or _exit_words(code)}",
            hint=_hint(stderr),
        )
        self.stderr = stderr
        self.code = code

    @property
    def lock_in_the_way(self) -> bool:
        """Whether another git, alive or dead, holds a lock."""
        return ".lock': File exists" in self.stderr

    @property
    def index_is_broken(self) -> bool:
        """Whether git cannot read the index file, or cannot make a tree of what it says."""
        return _BROKEN_INDEX.search(self.stderr) is not None and not tells_full_disk(self.stderr)

    @property
    def objects_are_broken(self) -> bool:
        """Whether objects that should be there are missing, or cannot be read."""
        return _BROKEN_OBJECTS.search(self.stderr) is not None

    @property
    def ref_is_broken(self) -> bool:
        """Whether the file of a ref holds no commit."""
        return "reference broken" in self.stderr

    @property
    def ref_in_the_way(self) -> str | None:
        """The ref that would have to be a folder of the wanted one, or the other way round."""
        found = _IN_THE_WAY.search(self.stderr)
        return found and found[1]

    @property
    def cannot_convert(self) -> bool:
        """Whether a file is not in the encoding that `.gitattributes` claims."""
        return _CANNOT_CONVERT.search(self.stderr) is not None

    @property
    def refuses_path(self) -> bool:
        """Whether there is a file whose name git takes into no commit, such as `.GIT/config`."""
        return bool(refused_paths(self.stderr))

    @property
    def senseless_attribute(self) -> bool:
        """Whether `.gitattributes` says something that makes every git call that looks at files fail."""
        return _SENSELESS_ATTRIBUTE in self.stderr

    @property
    def failed_filter(self) -> str | None:
        """The filter from the user's config that could not be run, if that was the cause."""
        found = _FILTER.search(self.stderr)
        return found and found[1]


class LostRace(StorageError):
    """Someone else keeps changing the same thing."""


class NotARepository(StartError):
    """There is no git repository at the given place."""


class RepositoryGone(StorageError):
    """The git directory is gone, or is no longer the same one."""


def kind(error: Exception) -> Kind:
    """What a failure of git, or of work on its files, calls for."""
    match error:
        case GitError():
            return Kind.REFUSED if error.cannot_convert or error.senseless_attribute else _kind(error.stderr)
        case LostRace() | StartError():  # StartError: a live git holds a lock
            return Kind.RACE
        case RepositoryGone():
            return Kind.GONE
        case OSError():
            return Kind.FULL_DISK if error.errno in FULL else Kind.OTHER
        case _:
            return Kind.OTHER


def met_half_made_worktree(stderr: bytes) -> bool:
    """Whether git failed because another git was creating a worktree: a moment later it will work."""
    return _HALF_MADE.search(stderr) is not None


def found_no_repository(stderr: bytes) -> bool:
    """Whether git failed because there was no repository where it looked, whatever it was asked."""
    return _NO_REPOSITORY.encode() in stderr


def tells_full_disk(said: str) -> bool:
    """Whether the output of git or a user's hook reports a full disk."""
    return any(words in said for words in _NO_SPACE)


def shortage_in(said: str) -> str | None:
    """What to do if these words of a system, or of a program, tell of a shortage; nothing of a full disk."""
    return next((hint for number, hint in SHORTAGES.items() if os.strerror(number) in said), None)


def last_line(text: str) -> str:
    """The last non-blank line; empty if there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def fatal_line(text: str) -> str:
    """The line with which git gave up, else the last one: advice may follow it."""
    return next((line for line in text.splitlines() if line.startswith("fatal: ")), "") or last_line(text)


def _kind(said: str) -> Kind:
    if tells_full_disk(said):
        return Kind.FULL_DISK
    if _REFUSED.search(said):
        return Kind.REFUSED
    if _NO_REPOSITORY in said:
        return Kind.GONE
    return Kind.RACE if _LOCKED.search(said) else Kind.OTHER


def refused_paths(stderr: str) -> list[str]:
    """The paths that git, as it says, takes into no commit."""
    return _REFUSED_PATH.findall(stderr)


def _hint(stderr: str) -> str:
    if tells_full_disk(stderr):
        return FREE_SPACE
    if held := _HELD.search(stderr):
        return f"nothing is lost: if no other git is at work there, `rm {quote(held[1])}`; {GO_ON}"
    shortage = shortage_in(stderr)
    return WHEN_GIT_FAILED if shortage is None else f"nothing is lost: {shortage}; {GO_ON}"


def _cause(stderr: str) -> str:
    """The line that gives the cause: of a full disk, a refused path or a lock, else the last before git's advice."""
    if (refused := refused_paths(stderr)) and not tells_full_disk(stderr):
        return f"invalid path '{refused[0]}'"
    full = (line.strip() for line in stderr.splitlines() if tells_full_disk(line) or _HELD.search(line))
    said, _, advice = stderr.partition(_UNREACHABLE)
    return next(full, "") or last_line(said if advice.endswith(_ADVICE_ENDS) else stderr)


def all_said(done: Captured, timeout_s: float) -> str:
    """What a git that failed said, and why it was killed, if it was."""
    said = (done.stderr or done.stdout).decode(errors="replace")
    return f"{said}\n{why_cut_short(done, timeout_s)}" if done.cut_short else said


def why_cut_short(done: Captured, timeout_s: float) -> str:
    """Why git was killed: a user's hook or filter took too long or started too many processes."""
    match done.ended_by:
        case EndedBy.CROWD:
            return f"a git hook or filter started more than {PROCESSES} processes"
        case EndedBy.STOPPED:
            return "a git hook or filter still ran when the run was stopped"
        case _:
            return f"no answer from a git hook or filter after {timeout_s:g} s"


def _exit_words(code: int) -> str:
    from pitboss.core.words.exits import exit_words

    return exit_words(code)
