"""Attaches to processes with ptrace and lets go of them again; prints HARM for each that it could attach to."""

from __future__ import annotations

import ctypes
import os
import sys

ATTACH, DETACH = 16, 17
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
for pid in map(int, sys.argv[1:]):
    if libc.ptrace(ATTACH, pid, None, None) == 0:
        print("HARM")
        os.waitpid(pid, WALL)
        libc.ptrace(DETACH, pid, None, None)
