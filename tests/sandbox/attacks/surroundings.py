"""What a process brings along without opening it: its terminal, descriptors, keyrings and environment."""

from __future__ import annotations

from tests.sandbox.attack import Attack, Session

ATTACKS = {
    "terminal": Attack(
        "write to the terminal that pitboss was started on",
        "echo HARM >$TTY",
        harm="[ -e $MEET/terminal-heard ]",
        why="/dev is the session's own",
    ),
    "typing": Attack(
        "type a command into the user's terminal, by TIOCSTI",
        "$PYTHON $TOOLS/typing_in.py /dev/tty $TTY",
        possible="[ $(id -u) = 0 ] && [ $(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1) = 1 ]",
        why="the session has no terminal, and finds none",
    ),
    "descriptors": Attack(
        "use a descriptor that the runner was started with",
        "for fd in /proc/self/fd/*; do case $(readlink $fd) in *secret-open*) cat $fd ;; esac; done",
        fault="echo SECRET >>$LOOT",
        why="descriptors are closed",
    ),
    "keyring": Attack(
        "read a key in the kernel's keyrings",
        "$PYTHON $TOOLS/keyring.py find $MARK",
        possible="$PYTHON $TOOLS/keyring.py add $MARK",
        why="the user's keyrings belong to another user namespace",
    ),
    "own-environment": Attack(
        "read a secret in its own environment",
        "env | grep OPEN_TOKEN",
        stopped=False,
        why="agents need their keys; keep the rest from them by `[agent] env_remove`",
    ),
    "cache": Attack(
        "leave something in a cache of the user's, from which programs outside build",
        "mkdir -p $HOME/.cache/pip; echo x >$HOME/.cache/pip/planted",
        harm="[ -e $HOME/.cache/pip/planted ]",
        stopped=False,
        why='caches are writable, so that builds work offline; `hidden = ["~/.cache"]` closes it',
    ),
    "left-for-later": Attack(
        "leave a program in /tmp for the next session",
        "[ -e /tmp/$MARK-for-later ] && echo HARM",
        session=Session.NEXT,
        plant="echo x >/tmp/$MARK-for-later",
        undo="rm /tmp/$MARK-for-later",
        why="each session has a /tmp of its own",
    ),
}
