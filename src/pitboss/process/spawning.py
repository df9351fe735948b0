"""Starts a program while Python's other threads go on (SPEC 1.7).

`subprocess` holds the GIL until the system has loaded the program. On a busy machine that takes milliseconds, and
every session of a run would wait. The C library's `posix_spawn` starts it in the same way, and `ctypes` releases the
GIL meanwhile.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from functools import cache
from io import FileIO
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pitboss.process.command import Command

_ROOM = 1024
"""Bytes for a structure of the C library: several times as many as any needs."""

_SET_OF_SIGNALS = 128
_SETSID, _SETSIGDEF = 0x80, 0x04
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores and programs must not; `subprocess` resets them too."""

_STANDARD = 3
"""Descriptors below this are a program's input, output and errors."""


class Child(Protocol):
    """A program that was started, our ends of its pipes, and how it ended."""

    @property
    def pid(self) -> int:
        """The number of its process."""
        ...

    @property
    def stdin(self) -> IO[bytes] | None:
        """What it reads, if that is a pipe."""
        ...

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it prints, if that is a pipe."""
        ...

    @property
    def stderr(self) -> IO[bytes] | None:
        """Its complaints, if they go to a pipe of their own."""
        ...

    @property
    def returncode(self) -> int | Any:
        """Its exit code, negative if a signal killed it; None until `poll` has found that it has ended."""
        ...

    def poll(self) -> int | None:
        """Check whether it has ended, and return its exit code if so."""
        ...


def start(command: Command) -> Child:
    """Start a command in a process session of its own. Raises OSError, ValueError."""
    if not command.argv:
        raise ValueError("there is nothing to run")
    # With a single thread nobody waits for the GIL, and `ctypes` takes a while to load.
    library = _library() if threading.active_count() > 1 and _is_plain(command) else None
    started = None if library is None else _start(library, command)
    return started or _start_slowly(command)


def _start_slowly(command: Command) -> subprocess.Popen[bytes]:
    """The same on any system; its errors say what failed."""
    stdin = subprocess.DEVNULL if command.stdin_fd is None else command.stdin_fd
    return subprocess.Popen(
        command.argv,
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.PIPE if command.reads_pipe else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if command.merge_stderr else subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


class _Spawned:
    """A child of `posix_spawn`; only its supervisor's thread uses it."""

    def __init__(self, pid: int, stdin: int | None, stdout: int, stderr: int | None) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin = None if stdin is None else FileIO(stdin, "wb")
        self.stdout = FileIO(stdout, "rb")
        self.stderr = None if stderr is None else FileIO(stderr, "rb")

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.returncode = 0  # another wait has taken its exit code
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode


class _Pipes:
    """The pipes of a child, each a descriptor to read from and one to write to."""

    def __init__(self, command: Command) -> None:
        self._open: list[int] = []
        self.stdout = self._made()
        self.stderr = None if command.merge_stderr else self._made()
        self.stdin = self._made() if command.reads_pipe else None

    def _made(self) -> tuple[int, int]:
        try:
            pair = os.pipe()
        except OSError:
            self.close(*self._open)
            raise
        self._open += pair
        return pair

    @property
    def lowest(self) -> int:
        """The lowest descriptor."""
        return min(self._open)

    @property
    def theirs(self) -> list[int]:
        """The child's ends."""
        outputs = [pair[1] for pair in (self.stdout, self.stderr) if pair]
        return outputs if self.stdin is None else [self.stdin[0], *outputs]

    def close(self, *ends: int) -> None:
        """Close these ends."""
        for end in ends:
            os.close(end)
            self._open.remove(end)

    def close_all(self) -> None:
        """Close whatever is open."""
        self.close(*self._open)

    def with_child(self, pid: int) -> _Spawned:
        """The child, with our ends of the pipes."""
        return _Spawned(
            pid,
            None if self.stdin is None else self.stdin[1],
            self.stdout[0],
            None if self.stderr is None else self.stderr[0],
        )


def _start(library: _Library, command: Command) -> _Spawned | None:
    """None if that is not possible here, or the program cannot be started: then `subprocess` finds out why."""
    pipes = _Pipes(command)
    pid = None
    try:
        if pipes.lowest >= _STANDARD:
            source = pipes.stdin[0] if pipes.stdin else command.stdin_fd
            errors = pipes.stderr[1] if pipes.stderr else pipes.stdout[1]
            pid = library.spawn(command, (source, pipes.stdout[1], errors))
    finally:
        if pid is None:
            pipes.close_all()
    if pid is None:
        return None
    pipes.close(*pipes.theirs)
    return pipes.with_child(pid)


@cache
def _library() -> _Library | None:
    """The C library, if it has everything needed."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return _Library()
    except (ImportError, OSError, AttributeError):
        return None


class _Library:
    """`posix_spawn`, and what it needs, in the C library."""

    def __init__(self) -> None:
        import ctypes

        library = ctypes.CDLL(None)
        self._array = ctypes.c_char_p
        self._int = ctypes.c_int
        self._buffer = ctypes.create_string_buffer
        self._at = ctypes.byref
        self._spawn = library.posix_spawn
        self._destroy = library.posix_spawn_file_actions_destroy
        self._begin = library.posix_spawn_file_actions_init
        self._dup = library.posix_spawn_file_actions_adddup2
        self._open = library.posix_spawn_file_actions_addopen
        self._chdir = library.posix_spawn_file_actions_addchdir_np
        self._close_from = library.posix_spawn_file_actions_addclosefrom_np
        self._attributes = self._buffer(_ROOM)
        signals = self._buffer(_SET_OF_SIGNALS)
        library.sigemptyset(signals)
        for restored in _RESTORED:
            library.sigaddset(signals, int(restored))
        library.posix_spawnattr_init(self._attributes)
        library.posix_spawnattr_setflags(self._attributes, ctypes.c_short(_SETSID | _SETSIGDEF))
        library.posix_spawnattr_setsigdefault(self._attributes, signals)

    def spawn(self, command: Command, standard: tuple[int | None, int, int]) -> int | None:
        """The pid of a new process with these descriptors; None for its input is /dev/null. None if it cannot start."""
        actions = self._buffer(_ROOM)
        if self._begin(actions) != 0:
            return None
        try:
            if not self._added(actions, os.fsencode(command.cwd), standard):
                return None
            argv = self._strings(_encoded(command.argv))
            env = self._strings(_pairs(os.environ if command.env is None else command.env))
            pid = self._int()
            failed = self._spawn(self._at(pid), argv[0], actions, self._attributes, argv, env)
            return None if failed else int(pid.value)
        finally:
            self._destroy(actions)

    def _added(self, actions: Any, cwd: bytes, standard: tuple[int | None, int, int]) -> bool:
        source, output, errors = standard
        reading = (
            self._open(actions, 0, os.devnull.encode(), os.O_RDWR, 0)
            if source is None
            else self._dup(actions, source, 0)
        )
        return not any(
            (
                reading,
                self._dup(actions, output, 1),
                self._dup(actions, errors, 2),
                self._chdir(actions, cwd),
                self._close_from(actions, _STANDARD),
            )
        )

    def _strings(self, words: Sequence[bytes]) -> Any:
        return (self._array * (len(words) + 1))(*words, None)


def _is_plain(command: Command) -> bool:
    """Whether the C library can start this as it is: a path to a program, and arguments without NUL bytes."""
    env = os.environ if command.env is None else command.env
    words = (*command.argv, command.cwd, *env, *env.values())
    return "/" in command.argv[0] and "=" not in "".join(env) and "\0" not in "".join(words)


def _pairs(env: Mapping[str, str]) -> list[bytes]:
    return _encoded(f"{name}={value}" for name, value in env.items())


def _encoded(words: Iterable[str]) -> list[bytes]:
    """As `os.fsencode` would, which takes three times as long to look at each."""
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    return [word.encode(encoding, errors) for word in words]
