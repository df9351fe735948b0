"""Enters folders below another in one system call that follows no link, where the system has such a call (SPEC 1.6).

`openat2` of Linux 5.6 and newer. A session walks to some fifty files, each four or five folders deep: name by name that
is the largest part of what its files cost. Where the call is missing, forbidden or fails, whoever asked walks.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Enter = Callable[[int, bytes], int]

_OPENAT2 = 437
"""The call's number, the same on every architecture that Python runs on."""

_BENEATH = 0x08
_NO_SYMLINKS = 0x04


def make() -> Enter | None:
    """A function that opens the folder at a relative path below an open one; None where the system cannot.

    It returns a descriptor; if there is no such folder or a link is on the way, an error number below zero.
    """
    if not sys.platform.startswith("linux"):
        return None
    enter = _through_libc()
    found = enter(descriptor := os.open(os.sep, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b".")
    os.close(descriptor)
    if found < 0:
        return None
    os.close(found)
    return enter


def _through_libc() -> Enter:
    # Imported here: a command that only looks walks faster than this loads.
    import ctypes

    class How(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    how = How(flags, 0, _BENEATH | _NO_SYMLINKS)
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    call.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(How), ctypes.c_size_t)
    where, size = ctypes.byref(how), ctypes.sizeof(how)

    def enter(folder: int, path: bytes) -> int:
        opened = int(call(_OPENAT2, folder, path, where, size))
        return -ctypes.get_errno() if opened < 0 else opened

    return enter
