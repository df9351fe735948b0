"""The modes of the terminal on stderr: no echo while a footer is drawn there, and in the end as they were (SPEC 5).

What is typed during a run would be echoed into lines that are redrawn in place. The keys that send signals work as
always, and Ctrl-Z gives the terminal back for as long as the run's command is stopped.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

LAST_WORDS_S = 2.0
"""How long to wait for a paused terminal."""

_STDERR = 2
_SHOW_CURSOR = b"\x1b[?25h"
_LOCAL_MODES = 3


class TerminalModes:
    """What the terminal is set to now, to be restored later; without a terminal nothing here does anything."""

    def __init__(self) -> None:
        self._before = _modes()
        self._owner = os.getpid()

    def echo_nothing(self) -> None:
        """From now on show nothing that is typed; for the process that the shell has started, in its main thread."""
        if self._before is not None:
            signal.signal(signal.SIGTSTP, self._stop)
            signal.signal(signal.SIGCONT, self._go_on)
            self._silence()

    def restore(self) -> None:
        """Restore the former modes and the cursor, whatever became of them."""
        if self._before is None:
            return
        for signum in (signal.SIGTSTP, signal.SIGCONT):
            if signal.getsignal(signum) in (self._stop, self._go_on):
                signal.signal(signum, signal.SIG_DFL)
        # In the background, changing the terminal would stop us.
        heard = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with suppress(termios.error, OSError):
            if _takes_words():
                os.write(_STDERR, _SHOW_CURSOR)
            termios.tcsetattr(_STDERR, termios.TCSANOW, self._before)
        signal.signal(signal.SIGTTOU, heard)

    def restore_for_the_dead(self) -> None:
        """In a child: let the terminal echo again if the process that silenced it was killed, and nobody has since."""
        if self._before is not None and os.getppid() != self._owner and _modes() == _silent(self._before):
            self.restore()

    def _silence(self) -> None:
        with suppress(termios.error, OSError):
            if self._before is not None and _in_foreground():
                termios.tcsetattr(_STDERR, termios.TCSANOW, _silent(self._before))

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: stop as any other program, with the terminal as it was."""
        with suppress(termios.error, OSError):
            if self._before is not None and _in_foreground():
                termios.tcsetattr(_STDERR, termios.TCSANOW, self._before)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)
        self._silence()

    def _go_on(self, _signum: int, _frame: FrameType | None) -> None:
        """`fg`, perhaps after a stop that no handler saw."""
        self._silence()


def _modes() -> list[Any] | None:
    try:
        return termios.tcgetattr(_STDERR)
    except (termios.error, OSError):
        return None


def _silent(modes: list[Any]) -> list[Any]:
    return [*modes[:_LOCAL_MODES], modes[_LOCAL_MODES] & ~termios.ECHO, *modes[_LOCAL_MODES + 1 :]]


def _in_foreground() -> bool:
    """Whether the terminal is ours to change. Raises OSError if it is not that of our process session."""
    return os.tcgetpgrp(_STDERR) == os.getpgrp()


def _takes_words() -> bool:
    """Whether stderr accepts output: a paused terminal must not hold up the end of a run."""
    return bool(select.select([], [_STDERR], [], LAST_WORDS_S)[1])
