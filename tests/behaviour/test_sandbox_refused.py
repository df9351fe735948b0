"""Machines that make no sandbox, as real as a test can make them: no run starts, and why is said (SPEC 13)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.cli import COMMAND, PATIENCE_S, Project
from tests.support.sandboxes import needs_bwrap

if TYPE_CHECKING:
    from pathlib import Path

_SHELL = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")
_NO_NAMESPACES = """
import ctypes, os, struct, sys
nr = {"x86_64": (272, 56), "aarch64": (97, 220)}[os.uname().machine]
load, equal, bits, back = 0x20, 0x15, 0x45, 0x06
refuse, allow, no_such = 0x50001, 0x7FFF0000, 0x50026
steps = [
    (load, 0, 0, 0),
    (equal, 0, 1, 435), (back, 0, 0, no_such),
    (equal, 0, 1, nr[0]), (back, 0, 0, refuse),
    (equal, 0, 3, nr[1]), (load, 0, 0, 16), (bits, 0, 1, 0x10000000), (back, 0, 0, refuse),
    (back, 0, 0, allow),
]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
kept = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(kept))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""What container engines do by default: a filter of system calls under which nobody makes a user namespace."""


_OUTSIDE = """
root=$(dirname "$PWD")/outside
mkdir -p $root
mount -t tmpfs none $root
for each in /*; do
  if [ -L $each ]; then cp -P $each $root; elif [ -d $each ]; then mkdir $root$each; mount --rbind $each $root$each; fi
done
mount -t tmpfs none $root/run
mount -t tmpfs none $root/proc/sys/kernel
echo VALUE >$root/proc/sys/kernel/SWITCH
for each in uid gid; do echo 65534 >$root/proc/sys/kernel/overflow$each; done
exec chroot $root sh -ec 'cd "$0"; exec "$@"' "$PWD" "$@"
"""
"""No container, by its marks, and a kernel with a switch; below a chroot nobody makes a user namespace."""


def outside(switch: str, value: int) -> tuple[str, ...]:
    return (*_SHELL, _OUTSIDE.replace("SWITCH", switch).replace("VALUE", str(value)), "-")


class Machine(NamedTuple):
    """What a command line is run by, what bubblewrap says there, and the line that mends it."""

    prefix: tuple[str, ...]
    said: str
    mended_by: str


MACHINES = {
    "not-installed": Machine(
        (*_SHELL, 'mount --bind /dev/null "$(command -v bwrap)"; exec "$@"', "-"),
        "bubblewrap is not installed",
        "apt install bubblewrap",
    ),
    "none-left": Machine(
        (*_SHELL, 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', "-"),
        "ENOSPC",
        "sysctl -w user.max_user_namespaces=15000",
    ),
    "masked-proc": Machine(
        (*_SHELL, 'mount --bind /dev/null /proc/filesystems; exec "$@"', "-"),
        "Can't mount proc",
        "systempaths=unconfined",
    ),
    "apparmor": Machine(
        outside("apparmor_restrict_unprivileged_userns", 1),
        "No permissions to create",
        "/etc/apparmor.d/bwrap",
    ),
    "switched-off": Machine(
        outside("unprivileged_userns_clone", 0),
        "No permissions to create",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    "filtered": Machine(
        (
            *(*_SHELL, 'mount -t tmpfs none /run; : >/run/.containerenv; exec "$@"', "-"),
            *(sys.executable, "-c", _NO_NAMESPACES),
        ),
        "No permissions to create",
        "seccomp=unconfined",
    ),
}


def pitboss(project: Project, machine: Machine, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*machine.prefix, *COMMAND, *args],
        cwd=project.root,
        env=project.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@needs_bwrap
@pytest.mark.parametrize("name", MACHINES)
def test_a_run_does_not_start_and_everything_says_what_mends_it(tmp_path: Path, name: str) -> None:
    machine = MACHINES[name]
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "echo one > one.txt", max_runs=1)

    done = pitboss(project, machine, "grind", "--sandbox", "bwrap")
    assert done.returncode == 4, done
    assert "the sandbox does not work here: " in done.stderr
    assert machine.said in done.stderr
    assert machine.mended_by in done.stderr
    assert not list((project.root / ".pitboss/grind").glob("runs/*"))

    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n[sandbox]\nmode = "bwrap"\n')
    report = json.loads(pitboss(project, machine, "doctor", "--json").stdout)
    (found,) = (check for check in report["checks"] if check["subject"] == "sandbox")
    assert (found["health"], machine.said in found["finding"]) == ("problem", True)
    assert machine.mended_by in found["hint"]

    (project.root / ".pitboss/config.toml").unlink()
    assert pitboss(project, machine, "init").returncode == 0
    section = (project.root / ".pitboss/config.toml").read_text().partition("[sandbox]\n")[2]
    assert machine.said in section.partition("\n[")[0]
    assert '#mode = "off"' in section
