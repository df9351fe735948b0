"""Every error a user can meet, each with the exit code and the hint that go with it (SPEC 5, 8).

    PitbossError             exit 70   anything unexpected: a bug, a full disk, a vanished run directory
    |-- CommandError         exit 1    a command other than `grind` could not do what was asked
    |   `-- NoLiveRun        exit 4    a request to a live run, and none is live
    |-- StartError           exit 4    a run could not start or could not be resumed
    |   |-- InputError       exit 4    prompts, rotation or config are wrong; carries every Problem found
    |   |-- LockHeld         exit 4    another live run owns this working tree
    |   |-- CapReached       exit 3    the run to resume is still at one of its caps
    |   |-- ResumeError      exit 4    the run cannot be resumed (kinds: core.recovery.refusals)
    |   `-- DamagedRun       exit 4    a run's files are damaged, and only a person may decide what to do
    |-- RunnerKilled         exit 70   a signal ended the process that ran the sessions
    `-- StorageError         exit 70   a file of the run could not be read or written
        `-- RunDirectoryGone exit 70   the run directory was deleted while the run was live

`cli.shared.failures` is the one place that renders them: `error: what happened`, then `hint: what to do`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)

FREE_SPACE = (
    "free some disk space; then `pitboss repair RUN_ID` and `pitboss grind --resume` continue the run"
)
GO_ON = "then `pitboss repair RUN_ID` and `pitboss grind --resume RUN_ID` continue the run"
SHORTAGES = {
    errno.EMFILE: "raise the limit of open files, as by `ulimit -n 1024`",
    errno.ENFILE: "end some processes: too many files are open on this machine",
    errno.EAGAIN: "end some processes, or raise their limit (`ulimit -u`, or the container's)",
    errno.ENOMEM: "free some memory, or raise its limit (`ulimit -v`, or the container's)",
}
"""What to do when the system has too little of something else than disk space."""
_REFUSALS = {
    errno.EFBIG: f"raise the limit on the size of a file, as by `ulimit -f unlimited`; {GO_ON}",
    errno.EROFS: "the file system is mounted read-only: remount it writable",
}
_CONTINUES = "; then `pitboss repair RUN_ID`"
NO_THREAD = "this machine starts no more threads"
WHEN_GIT_FAILED = f"nothing is lost: fix what git complains about (a full disk?); {GO_ON}"
CONFIG_UNUSABLE = (
    "git cannot work with .git/config as it is: `pitboss repair RUN_ID` undoes what a "
    "session of that run did to it, or fix it by hand"
)


class PitbossError(Exception):
    """Base of all expected failures: a message for the user, a hint, and an exit code."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def name_run(self, run_id: str) -> None:
        """Let the commands of the hint name the run, for whoever raised this did not know it."""
        if self.hint is not None:
            self.hint = self.hint.replace("RUN_ID", run_id)

    def name_no_run(self) -> None:
        """Leave out of the hint how a run is continued: there is none to speak of."""
        if self.hint is not None:
            self.hint = self.hint.partition(_CONTINUES)[0]


class CommandError(PitbossError):
    """A command other than `grind` could not do what was asked."""

    exit_code = 1


class NoLiveRun(CommandError):
    """There is no live run to ask for something; nothing was done."""

    exit_code = 4


class StartError(PitbossError):
    """A run could not start or could not be resumed; nothing was changed."""

    exit_code = 4


class Problem:
    """One mistake in a file the user wrote: where, which field, why."""

    __slots__ = ("field", "file", "line", "reason")

    def __init__(self, file: str, reason: str, *, line: int | None = None, field: str | None = None) -> None:
        self.file = file
        self.line = line
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.reason}" if self.field is None else f"{where}: {self.field}: {self.reason}"

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"


class InputError(StartError):
    """Files the user wrote are wrong. Carries every problem found, not just the first."""

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        super().__init__("\n".join(str(p) for p in problems), hint=hint)
        self.problems = tuple(problems)


class LockHeld(StartError):
    """Another live run owns this working tree."""


class CapReached(StartError):
    """The run to resume is still at one of its caps; nothing was changed."""

    exit_code = 3


class ResumeError(StartError):
    """A run cannot be resumed; the kinds and their messages are in `core.recovery.refusals`."""


class DamagedRun(StartError):
    """A run's files are damaged, and only a person may decide what to do about it."""


class RunnerKilled(PitbossError):
    """A signal ended the process that ran the sessions; none of its processes are left."""


class StorageError(PitbossError):
    """A file of the run could not be read or written."""


class RunDirectoryGone(StorageError):
    """The run directory was deleted while the run was live."""


def why_failed(error: Exception) -> str:
    """Why a run failed, for state.json: the error's message, or that it was a bug (SPEC 1.8)."""
    return (
        error.message
        if isinstance(error, PitbossError)
        else f"internal error: {type(error).__name__}: {error}"
    )


def storage_error(doing: str, path: object, error: OSError) -> StorageError:
    """The error for the user when `doing` something to a file failed."""
    kind = RunDirectoryGone if error.errno in GONE else StorageError
    return kind(f"cannot {doing} {path}: {error.strerror or error}", hint=_hint(error.errno))


def _hint(number: int | None) -> str:
    if number in FULL:
        return FREE_SPACE
    if number in SHORTAGES:
        return f"{SHORTAGES[number]}; {GO_ON}"
    if number in _REFUSALS:
        return _REFUSALS[number]
    if number in FORBIDDEN:
        return "check who owns the files under .pitboss and their permissions"
    if number in GONE:
        return "the directory was deleted or moved; restore it, or start a new run"
    return "the disk or file system reported a failure; check the system log"
