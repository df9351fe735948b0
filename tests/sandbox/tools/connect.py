"""Connects to sockets (a path, @ABSTRACT or a TCP port on loopback) and prints what their servers say."""

from __future__ import annotations

import contextlib
import socket
import sys

for name in sys.argv[1:]:
    family = socket.AF_INET if name.isdigit() else socket.AF_UNIX
    with contextlib.suppress(OSError), socket.socket(family) as client:
        client.settimeout(50)
        if name.isdigit():
            client.connect(("127.0.0.1", int(name)))
        else:
            client.connect("\0" + name[1:] if name.startswith("@") else name)
        print(client.recv(100).decode())
