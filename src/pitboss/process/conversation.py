"""Keeps a program running for many questions, which costs less than starting it for each (SPEC 1.5)."""

from __future__ import annotations

import os
import select
import subprocess
import weakref
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from pitboss.process.search import installed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ANSWER_S = 10.0
"""How long an answer may take: whoever asks can always start the program for that one question."""

FAREWELL_S = 1.0
"""How long it may take to end once asked to."""

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of an answer: a longer one is no small question's, and would fill the memory of the run."""

_CHUNK = 64 * 1024


class Conversation:
    """One such program; it starts with the first question, and again if it has died. Safe to call from any thread.

    It stays in this process's own session, so that it is not taken for an agent's orphan, and its working directory
    is the root folder, so that it keeps no other folder in use. It ends when this process does, because its input
    ends.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._argv = (installed(argv[0], env), *argv[1:])
        self._env = dict(env)
        self._lock = Lock()
        self._held = _Held()
        # Runs once nothing refers to this object. In a cycle, `__del__` might run after that of the process.
        weakref.finalize(self, _end, self._held, FAREWELL_S).atexit = False

    def ask(self, question: bytes, *, is_whole: Callable[[bytearray], bool]) -> bytes | None:
        """Its answer, as soon as `is_whole`; None, and it is ended, if there is none in time, or one without an end."""
        with self._lock:
            try:
                child = self._held.child = self._held.child or self._start()
                os.write(_input(child), question)
                answer = _answer(child, is_whole)
            except OSError:
                answer = None
            if answer is None:
                _end(self._held, 0.0)
            return answer

    def close(self) -> None:
        """End it."""
        with self._lock:
            _end(self._held, FAREWELL_S)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._argv,
            cwd="/",
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )


class _Held:
    """The program while it runs."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None


def _end(held: _Held, patience_s: float) -> None:
    child, held.child = held.child, None
    if child is None:
        return
    with child:  # closes its pipes and waits for it
        if child.stdin is not None:
            child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)
        child.terminate()  # it may hold lock files, which only it knows to be its own
        with suppress(subprocess.TimeoutExpired):
            child.wait(FAREWELL_S)
        child.kill()


def _input(child: subprocess.Popen[bytes]) -> int:
    if child.stdin is None:
        raise AssertionError("it was started with a pipe")
    return child.stdin.fileno()


def _answer(child: subprocess.Popen[bytes], is_whole: Callable[[bytearray], bool]) -> bytes | None:
    if child.stdout is None:
        raise AssertionError("it was started with a pipe")
    pipe, until, said = child.stdout.fileno(), monotonic() + ANSWER_S, bytearray()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while not is_whole(said):
        left_s = until - monotonic()
        if left_s < 0 or len(said) > MOST_BYTES or not poll.poll(left_s * 1000):
            return None
        chunk = os.read(pipe, _CHUNK)
        if not chunk:
            return None
        said += chunk
    return bytes(said)
