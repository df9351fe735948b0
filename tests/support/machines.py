"""Several machines on this one: network namespaces with a name, an address, a HOME and an sshd each.

Nothing of them has a name outside: a machine is gone with the process that holds its namespaces.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import PATIENCE_S, Done, wait_until
from tests.support.leftovers import Beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
PROGRAMS = ("ip", "mount", "nsenter", "scp", "setpriv", "ssh", "ssh-keygen", "sshd", "unshare")
NAMESPACES = ("unshare", "--net", "--mount", "--uts")
TRIED = (*NAMESPACES, "sh", "-c", "ip link add name tried type bridge && mount -t tmpfs tmpfs /run")
SSHD_CONFIG = """\
ListenAddress {address}
HostKey {folder}/host-key
PidFile none
StrictModes no
SetEnv {given}
Subsystem sftp internal-sftp
"""


def _why_not() -> str:
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    tried = subprocess.run(TRIED, env={"PATH": PATH}, capture_output=True, text=True, check=False, timeout=60)
    return "" if tried.returncode == 0 else f"no network namespaces here: {tried.stderr.strip()}"


WHY_NOT = _why_not()
needs_machines = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class Machine:
    """One machine: what runs on it sees its network, its name and its HOME."""

    def __init__(self, name: str, address: str, home: Path, holder: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.address = address
        self.home = home
        self.pid = holder.pid
        wait_until(lambda: _net(holder.pid) != _net(os.getpid()))
        self.run("hostname", name)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def inside(self) -> tuple[str, ...]:
        """What begins a command line that runs on this machine."""
        return ("nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--")

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> Done:
        """Run a command on this machine, which must succeed."""
        environ = {"PATH": PATH} if env is None else env
        done = subprocess.run(
            [*self.inside, *argv],
            cwd=self.home,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, (argv, done)
        return Done(done.returncode, done.stdout, done.stderr)


def _net(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


class Network:
    """Machines on one switch, each of which reaches the others by ssh; `variables` are in all their environments."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._beside = Beside(folder, stack)
        self._variables = {**variables, **self._beside.mark}
        self._next = 1
        self._switch = Machine("switch", "", self._new("switch"), self._hold())
        self._switch.run("ip", "link", "add", "name", "switch", "type", "bridge")
        self._switch.run("ip", "link", "set", "switch", "up")
        _make_key(folder / "key")

    def machine(self, name: str) -> Machine:
        """A new machine, which the others reach as soon as this returns."""
        address = f"10.99.0.{self._next}"
        self._next += 1
        home = self._new(name)
        machine = Machine(name, address, home, self._hold())
        self._switch.run(
            "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid)
        )
        self._switch.run("ip", "link", "set", name, "master", "switch", "up")
        machine.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        machine.run("ip", "link", "set", "eth0", "up")
        self._settle(machine)
        self._serve_ssh(machine)
        return machine

    def start(
        self, argv: Sequence[str], log: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start what ends with the test at the latest."""
        return self._beside.start(argv, log, env or {"PATH": PATH})

    def said(self, log: str) -> str:
        """What was printed by a process that was started."""
        return self._beside.said(log)

    def _new(self, name: str) -> Path:
        home = self._folder / name
        home.mkdir()
        return home

    def _hold(self) -> subprocess.Popen[bytes]:
        return self.start([*NAMESPACES, "sleep", "3600"], "holders")

    def _settle(self, machine: Machine) -> None:
        """Give it the names of all machines, a HOME that is its own for ssh too, and what ssh needs there."""
        hosts, passwd = self._folder / "hosts", self._folder / f"{machine.name}-passwd"
        with hosts.open("a") as names:
            names.write(f"{machine.address} {machine.name}\n")
        root, *others = Path("/etc/passwd").read_text().splitlines()
        name, password, uid, gid, full_name, _, shell = root.split(":")
        mine = ":".join((name, password, uid, gid, full_name, str(machine.home), shell))
        passwd.write_text("\n".join((mine, *others, "")))
        for file, over in ((hosts, "/etc/hosts"), (passwd, "/etc/passwd")):
            machine.run("mount", "--bind", str(file), over)
        ssh = machine.home / ".ssh"
        ssh.mkdir(mode=0o700)
        for held, name in (("key", "id_ed25519"), ("key.pub", "authorized_keys")):
            shutil.copy(self._folder / held, ssh / name)
        (ssh / "config").write_text("BatchMode yes\nStrictHostKeyChecking accept-new\nLogLevel ERROR\n")

    def _serve_ssh(self, machine: Machine) -> None:
        folder = self._folder / f"{machine.name}-sshd"
        folder.mkdir()
        _make_key(folder / "host-key")
        given = " ".join(f'"{name}={value}"' for name, value in self._variables.items())
        config = SSHD_CONFIG.format(address=machine.address, folder=folder, given=given)
        (folder / "config").write_text(config)
        machine.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        machine.run("mkdir", "/run/sshd")
        # Sshd writes over the environment by which it would be found if the test is killed.
        sshd = ("setpriv", "--pdeathsig=TERM", str(shutil.which("sshd", path=PATH)))
        self.start([*machine.inside, *sshd, "-D", "-e", "-f", str(folder / "config")], f"{machine.name}-sshd")
        wait_until(lambda: "listening on" in self.said(f"{machine.name}-sshd"))


def _make_key(file: Path) -> None:
    asked = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(asked, check=True, capture_output=True, env={"PATH": PATH})


@contextlib.contextmanager
def network(folder: Path, variables: Mapping[str, str]) -> Iterator[Network]:
    """A switch without machines, in a new `folder`."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        yield Network(folder, stack, variables)
