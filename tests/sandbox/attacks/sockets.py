"""Sockets: daemons of the user's and the machine's, and the network."""

from __future__ import annotations

from tests.sandbox.attack import Attack

_NOT_THERE = "its folder is hidden"
_OPEN = '`network = "open"` shares the host\'s network; `network = "none"` stops it'
_OWN_NETWORK = 'with `network = "none"` the session has a network of its own, in which there is nothing'

ATTACKS = {
    "docker": Attack(
        "reach the docker daemon, which is root",
        "$PYTHON $TOOLS/connect.py $XDG_RUNTIME/docker.sock ${DOCKER_HOST#unix://}",
        why=_NOT_THERE,
    ),
    "bus": Attack(
        "reach the user's D-Bus, by which `systemd --user` starts programs",
        "$PYTHON $TOOLS/connect.py $XDG_RUNTIME/bus ${DBUS_SESSION_BUS_ADDRESS#unix:path=}",
        why=_NOT_THERE,
    ),
    "wayland": Attack(
        "reach the user's Wayland display",
        "$PYTHON $TOOLS/connect.py $XDG_RUNTIME/wayland-0",
        why=_NOT_THERE,
    ),
    "x11": Attack(
        "reach the user's X server, where it could watch the keyboard",
        "$PYTHON $TOOLS/connect.py $X11",
        why="/tmp is the session's own",
    ),
    "machine": Attack(
        "reach a daemon of the machine in /run",
        "$PYTHON $TOOLS/connect.py $MACHINE",
        possible="[ -w /run ]",
        why=_NOT_THERE,
    ),
    "abstract": Attack(
        "reach an abstract socket, such as an X server's",
        "$PYTHON $TOOLS/connect.py @$MARK",
        stopped=False,
        why=f"abstract sockets belong to the network: {_OPEN}",
    ),
    "abstract-none": Attack(
        "reach an abstract socket, with the network closed",
        "$PYTHON $TOOLS/connect.py @$MARK",
        network="none",
        why=_OWN_NETWORK,
    ),
    "loopback": Attack(
        "reach a service on this machine by TCP",
        "$PYTHON $TOOLS/connect.py $PORT",
        stopped=False,
        why=_OPEN,
    ),
    "loopback-none": Attack(
        "reach a service on this machine by TCP, with the network closed",
        "$PYTHON $TOOLS/connect.py $PORT",
        network="none",
        why=_OWN_NETWORK,
    ),
    "interfaces-none": Attack(
        "find another way out of the machine, with the network closed",
        "[ $(tail -n +3 /proc/net/dev | grep -vc lo:) -gt 0 ] && echo HARM",
        network="none",
        possible="[ $(tail -n +3 /proc/net/dev | grep -vc lo:) -gt 0 ]",
        why=_OWN_NETWORK,
    ),
}
