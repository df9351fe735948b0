"""`make FILE HANDLE` notes the handle of a file; `open HANDLE` prints the file that it stands for."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

AT_FDCWD = -100
MOST = 128


class Handle(ctypes.Structure):
    """`struct file_handle` of the kernel."""

    _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("name", ctypes.c_ubyte * MOST))


libc = ctypes.CDLL(None, use_errno=True)
handle, mount = Handle(MOST), ctypes.c_int()
if sys.argv[1] == "make":
    if (
        libc.name_to_handle_at(
            AT_FDCWD, os.fsencode(sys.argv[2]), ctypes.byref(handle), ctypes.byref(mount), 0
        )
        == 0
    ):
        Path(sys.argv[3]).write_bytes(bytes(handle))
else:
    noted = Path(sys.argv[2])
    handle = Handle.from_buffer_copy(noted.read_bytes())
    found = libc.open_by_handle_at(os.open(noted.parent, os.O_RDONLY), ctypes.byref(handle), os.O_RDONLY)
    if found >= 0:
        print(os.read(found, 1000).decode())
