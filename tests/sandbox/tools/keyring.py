"""`add NAME`, `find NAME` and `remove NAME`: a key of the kernel's, in the keyrings of this user and session."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

ADD, KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}.get(platform.machine(), (-1, -1))
USER_KEYRING, SESSION_KEYRING = -4, -3
UNLINK, SEARCH, READ = 9, 10, 11
KIND = b"user"

libc = ctypes.CDLL(None, use_errno=True)
does, name = sys.argv[1], os.fsencode(sys.argv[2])
if does == "add":
    secret = b"SECRET"
    added = [
        libc.syscall(ADD, KIND, name, secret, len(secret), ring) for ring in (USER_KEYRING, SESSION_KEYRING)
    ]
    sys.exit(0 if max(added) >= 0 else 1)
for ring in (USER_KEYRING, SESSION_KEYRING):
    key = libc.syscall(KEYCTL, SEARCH, ring, KIND, name, 0)
    if key >= 0 and does == "remove":
        libc.syscall(KEYCTL, UNLINK, key, ring)
    elif key >= 0:
        held = ctypes.create_string_buffer(100)
        libc.syscall(KEYCTL, READ, key, held, len(held))
        print(held.value.decode())
