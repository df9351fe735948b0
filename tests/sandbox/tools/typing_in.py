"""Types a line into terminals by TIOCSTI; prints HARM for each that took it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import termios

for name in sys.argv[1:]:
    with contextlib.suppress(OSError):
        terminal = os.open(name, os.O_RDWR | os.O_NOCTTY)
        for letter in b"true\n":
            fcntl.ioctl(terminal, termios.TIOCSTI, bytes([letter]))
        print("HARM")
