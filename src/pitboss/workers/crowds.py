"""Prepares a process for thousands of sessions: each has a connection, and a thread that mostly waits (SPEC 14)."""

from __future__ import annotations

import resource
import sys

OPEN_FILES = 65_536
WAIT_LISTS = 4096

_PR_FUTEX_HASH = 78
_SET_SLOTS = 1


def allow_open_files() -> None:
    """Raise this process's limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def spread_waits() -> None:
    """Have Linux keep this process's waiting threads in `WAIT_LISTS` lists; does nothing where it cannot.

    From 6.17 on each process has lists of its own, 16 on two processors. To wake one thread of a thousand, which
    Python's lock alone does many times a session, the kernel then has to walk past sixty others.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_FUTEX_HASH, _SET_SLOTS, ctypes.c_ulong(WAIT_LISTS), 0, 0)
