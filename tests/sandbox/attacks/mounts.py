"""Undoing the mounts: remounting, binding, namespaces, devices."""

from __future__ import annotations

from tests.sandbox.attack import Attack

_NO_CAPABILITIES = "the session has no capabilities"
_PLANTED = "[ -e $HOME/{0} ]"
_FAULT = "touch $HOME/{0}"

ATTACKS = {
    "remount": Attack(
        "remount HOME or the root writable",
        "mount -o remount,rw /; mount -o remount,rw,bind /; mount -o remount,rw,bind $HOME; touch $HOME/remounted",
        harm=_PLANTED.format("remounted"),
        why=_NO_CAPABILITIES,
    ),
    "bind-over": Attack(
        "bind a folder of its own over `.git/hooks`",
        "mkdir -p own-hooks; mount --bind own-hooks $REPO/.git/hooks && echo HARM",
        fault="echo HARM >>$LOOT",
        why=_NO_CAPABILITIES,
    ),
    "tmpfs": Attack(
        "mount something of its own anywhere",
        "mkdir -p own-mount; mount -t tmpfs none own-mount && echo HARM",
        fault="echo HARM >>$LOOT",
        why=_NO_CAPABILITIES,
    ),
    "nested-remount": Attack(
        "remount HOME writable in a user namespace of its own",
        "unshare -Urm sh -c 'mount -o remount,rw,bind /; mount -o remount,rw,bind $HOME; touch $HOME/nested-remount'",
        harm=_PLANTED.format("nested-remount"),
        why="what an outer namespace made read-only stays so in an inner one",
    ),
    "nested-umount": Attack(
        "unmount what hides `~/.ssh` in a user namespace of its own",
        "unshare -Urm sh -c 'umount -l $HOME/.ssh; cat $HOME/.ssh/*'",
        why="mounts of an outer namespace cannot be taken apart in an inner one",
    ),
    "join": Attack(
        "join the namespaces of a process outside",
        "for pid in 1 $VICTIMS; do nsenter -t $pid -m touch $HOME/joined; done",
        harm=_PLANTED.format("joined"),
        possible="[ $(id -u) = 0 ]",
        why="it sees no process outside, and has no capabilities",
    ),
    "chroot": Attack(
        "leave through a chroot",
        'mkdir -p jail; $PYTHON -c \'import os; d = os.open("/", 0); os.chroot("jail"); os.fchdir(d); '
        'os.chdir("/".join([".."] * 30) or "."); os.chroot("."); open(os.environ["HOME"] + "/left", "w")\'',
        harm=_PLANTED.format("left"),
        fault=_FAULT.format("left"),
        why=_NO_CAPABILITIES,
    ),
    "by-handle": Attack(
        "open a hidden file by its handle instead of its path",
        "$PYTHON $TOOLS/by_handle.py open $MEET/handle",
        possible="[ $(id -u) = 0 ]",
        why=_NO_CAPABILITIES,
    ),
    "device": Attack(
        "make a device file for the disk",
        "mknod disk b 8 0 && echo HARM",
        possible="[ $(id -u) = 0 ]",
        undo="rm -f $TREE/disk",
        why=_NO_CAPABILITIES,
    ),
    "kernel-settings": Attack(
        "change the kernel's settings in /proc/sys and /sys",
        "old=$(cat /proc/sys/kernel/threads-max); echo $old >/proc/sys/kernel/threads-max && echo HARM; "
        "echo mem >/sys/power/disk && echo HARM",
        possible="[ $(id -u) = 0 ]",
        why="/proc/sys and /sys are read-only",
    ),
}
