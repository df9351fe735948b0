"""What attacks find: a user's HOME full of secrets, a repository with a past, and folders and daemons beside it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from tests.sandbox.attack import SLOTS
from tests.support.cli import Project

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOLS = Path(__file__).parent / "tools"
SECRET = "SECRET\n"
SECRETS = (
    *(".ssh/id_ed25519", ".gnupg/private-keys-v1.d", ".aws/credentials", ".config/gcloud/credentials.db"),
    *(".azure/msal_token_cache.json", ".kube/config", ".docker/config.json", ".npmrc", ".pypirc"),
    *(".cargo/credentials.toml", ".netrc", ".m2/settings.xml", ".git-credentials", ".config/git/credentials"),
    *(
        ".config/gh/hosts.yml",
        ".mozilla/firefox/p.default/cookies.sqlite",
        ".config/google-chrome/Default/Cookies",
    ),
    *(".config/chromium/Default/Cookies", ".password-store/x.gpg", ".local/share/keyrings/login.keyring"),
)
ORDINARY = (".bashrc", ".profile", ".gitconfig")
TOOL = (sys.executable, "-I")


class Scene:
    """Everything beside the run, in a folder that is not below /tmp, because the session has a /tmp of its own."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.folder = folder
        self.mode = mode
        self.mark = f"pitboss-attack-{token_hex(6)}"
        self.meet = self._made("meet")
        (self.meet / "loot").mkdir()
        self._tools = self.meet / "tools"
        self.beside = self._made("code/beside")
        self.project = Project.create(self._made("code") / "project")
        self.home = self.project.env["HOME"] = str(self._made("home"))
        self.runtime = self._made("runtime")
        self.hidden = self._made("private")
        self._fill_home()
        self._fill_repository()
        self.daemons = Daemons(self)
        self.terminal = Terminal(self.meet / "terminal-heard")
        self._keep_a_key()
        self._set_environment()

    def variables(self) -> dict[str, str]:
        """What scripts know of the scene, apart from the run."""
        git = self.project.git
        return {
            "SCENE": str(self.folder),
            "REPO": str(self.project.root),
            "BESIDE": str(self.beside),
            "MEET": str(self.meet),
            "HIDDEN": str(self.hidden),
            "TOOLS": str(self._tools),
            "PYTHON": " ".join(TOOL),
            "MARK": self.mark,
            "TTY": self.terminal.name,
            "OTHER": git("rev-parse", "other").strip(),
            "MAIN": git("rev-parse", "main").strip(),
            "FIRST": git("rev-list", "--max-parents=0", "HEAD").strip(),
            "STASH": git("rev-parse", "refs/stash").strip(),
            "BLOB": self.blob,
            **self.daemons.addresses,
        }

    def close(self) -> None:
        """End its daemons, and what attacks have left behind."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.mark.encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        self.daemons.close()
        self.terminal.close()
        self._key("remove")

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _fill_home(self) -> None:
        home = Path(self.home)
        for name in SECRETS:
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SECRET)
        (home / ".cache").mkdir()
        for name in ORDINARY:
            (home / name).touch()
        (self.hidden / "secret").write_text(SECRET)
        shutil.copytree(TOOLS, self._tools)  # where a session sees them, wherever these tests are
        subprocess.run(
            [*TOOL, TOOLS / "by_handle.py", "make", home / ".netrc", self.meet / "handle"], check=True
        )

    def _fill_repository(self) -> None:
        project = self.project
        project.write(".gitignore", ".pitboss/\n.env\nconf/\n")
        project.write("check.sh", "exit 0\n")
        project.write("after.sh", "exit 0\n")
        project.write("tools/hooks/pre-commit", "#!/bin/sh\nexit 0\n").chmod(0o755)
        (project.root / "tracked-link").symlink_to(f"{self.home}/.profile")
        (project.root / "tracked-keys").symlink_to(f"{self.home}/.ssh")
        project.commit("Code")
        for name in ("refs/heads/other", "refs/pitboss/rescue/old", "refs/heads/pitboss/grind/old-run"):
            project.git("update-ref", name, "HEAD")
        project.write("README.md", "stashed\n")
        project.git("-c", "user.name=u", "-c", "user.email=u@local", "stash", "-q")
        project.git("config", "core.hooksPath", "tools/hooks")
        project.git("config", "extensions.worktreeConfig", "true")
        project.git("worktree", "add", "-q", "--detach", str(self.folder / "code/linked"))
        blob = project.git("rev-parse", "refs/stash:README.md").strip()
        self.blob = f"{blob[:2]}/{blob[2:]}"
        (self.folder / "blob").write_bytes((project.root / ".git/objects" / self.blob).read_bytes())
        if self.mode == SLOTS:
            project.write(".env", "of the user's\n")
            project.write("conf/local.env", "of the user's\n")
        (self.beside / "precious").write_text("of the user's\n")
        (self.beside / "old").mkdir()
        project.git("clone", "-q", str(project.root), str(self.beside / "other"))

    def _keep_a_key(self) -> None:
        self._key("add")

    def _key(self, does: str) -> None:
        subprocess.run([*TOOL, TOOLS / "keyring.py", does, self.mark], check=False)

    def _set_environment(self) -> None:
        found = self.daemons.addresses
        self.project.env |= {
            "XDG_RUNTIME_DIR": str(self.runtime),
            "SSH_AUTH_SOCK": found["AGENT_SOCKET"],
            "DOCKER_HOST": f"unix://{self.runtime}/docker.sock",
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.runtime}/bus",
            "VAULT_TOKEN": "SECRET",
            "OPEN_TOKEN": "SECRET",
        }


class Daemons:
    """Daemons of the user's and the machine's: whoever connects to one of them reads HARM."""

    def __init__(self, scene: Scene) -> None:
        self._sockets: list[socket.socket] = []
        self._files: list[Path] = []
        for name in ("docker.sock", "bus", "wayland-0"):
            self._listen(scene.runtime / name)
        agent = scene.folder / "agent.sock"
        self._listen(agent)
        display = Path("/tmp/.X11-unix") / scene.mark
        if not display.parent.exists():
            display.parent.mkdir()
            display.parent.chmod(0o1777)  # the next user may be another one
        self._listen(display)
        machine = Path("/run") / f"{scene.mark}.sock"
        if os.access("/run", os.W_OK):
            self._listen(machine)
        self._listen(f"\0{scene.mark}")
        port = self._listen(0)
        self.addresses: Mapping[str, str] = {
            "XDG_RUNTIME": str(scene.runtime),
            "AGENT_SOCKET": str(agent),
            "X11": str(display),
            "MACHINE": str(machine),
            "PORT": port,
        }

    def close(self) -> None:
        """End them."""
        for each in self._sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()
        for path in self._files:
            path.unlink(missing_ok=True)

    def _listen(self, where: Path | str | int) -> str:
        """Serve at a path, an abstract name, or a free port of loopback; returns the port, if it is one."""
        by_port = isinstance(where, int)
        server = socket.socket(socket.AF_INET if by_port else socket.AF_UNIX)
        server.bind(("127.0.0.1", where) if by_port else str(where))
        if isinstance(where, Path):
            self._files.append(where)
        server.listen()
        self._sockets.append(server)
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        return str(server.getsockname()[1]) if by_port else ""


def _serve(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
            with client:
                client.sendall(b"HARM\n")
        except OSError:
            return


class Terminal:
    """The terminal that pitboss was started on; `heard` exists once `listen` found that something was written."""

    def __init__(self, heard: Path) -> None:
        self._ours, self._theirs = os.openpty()
        self.name = os.ttyname(self._theirs)
        self._heard = heard

    def listen(self, patience_s: float) -> None:
        """Look for what was written to it."""
        if select.select([self._ours], [], [], patience_s)[0]:
            os.read(self._ours, 1000)
            self._heard.touch()

    def close(self) -> None:
        """Take it away."""
        os.close(self._theirs)
        os.close(self._ours)
