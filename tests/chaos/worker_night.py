"""The run that the kill matrix strikes: two workers, four sessions, of which one waits until the blow has fallen."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import time
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitboss import proctree
from pitboss.core.environment import SESSION_SEQ
from pitboss.git.small_packs import MOST_BYTES
from tests.support.acts import init, message, result, said
from tests.support.agents import executable
from tests.support.cli import Project, wait_until
from tests.support.cluster import BesideCluster, cluster_beside
from tests.support.network import Cable, cable
from tests.support.runs import Gate, configure, instruct, the_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAG = "PITBOSS_TEST_OF"
STRUCK = 3
"""The session that waits: its worker has finished another one by then."""

TOKENS, USD = (1000, 50), 0.004
"""What each agent says it used: the tokens at once, the cost at its end."""

NAMES = ("one", "two")
LOOKS = 15_000
DISK = "64m"
HOUR_S = 3600

AGENT = """case " $* " in *" --version "*) echo "2.0.0 (Claude Code)"; exit;; esac
[ -n "$PITBOSS_SESSION_SEQ" ] || exit 0
cat >/dev/null
echo "$PITBOSS_SESSION_SEQ" >>"$BEGAN"
{text} >"$PITBOSS_PROMPT_NAME-$PITBOSS_SESSION_SEQ.txt"
{begun}
if [ "$PITBOSS_SESSION_SEQ" = {struck} ]; then
    git rev-parse --path-format=absolute --git-common-dir >{where}.new; mv {where}.new {where}
    {hold}
elif [ "$PITBOSS_SESSION_SEQ" -gt {struck} ]; then
    {others}
fi
{ended}
"""

A_LOT = f"head -c {MOST_BYTES} /dev/zero"
"""So much that git packs it, on a worker without a remote."""

HOLDING_GIT = """case " $* " in *" pack-objects "*|*" push "*)
    [ "$GIT_COMMON_DIR" != "$(cat {where} 2>/dev/null)" ] || {{ {gate}; }};;
esac
exec {git} "$@"
"""

LANDING_HOOK = """[ "$1" = prepared ] || exit 0
while read -r old new ref; do
    case $ref in *-session-*) ;; refs/heads/pitboss/grind/*)
        seqs=$(git log --format='%(trailers:key=Pitboss-Session,valueonly)' "$old..$new" 2>/dev/null)
        case " "$(echo $seqs)" " in *" "*[/-]{struck}" "*|*" {struck} "*) {gate};; esac;;
    esac
done
exit 0
"""


class When(StrEnum):
    """Where the session is when the blow falls."""

    IN_AGENT = "in agent"
    IN_VERIFY = "in verify"
    IN_PUSH = "in push"
    IN_LANDING = "in landing"


class Gear(StrEnum):
    """What the workers of a night have besides."""

    OWN = "workers of the run's own"
    CLUSTER = "a cluster"
    NETWORK = "networks of their own"
    DISK = "small disks"
    CLOCK = "clocks that are an hour ahead"
    REMOTE = "workers of the run's own, and a remote"


class Night:
    """A run whose session `STRUCK` waits at a gate, in its agent, its tests, while its worker packs or as it lands.

    Later sessions wait at a gate of their own, so that the run is live as long as the blow lasts.
    """

    def __init__(self, folder: Path, when: When, gear: Gear, lost_after_s: float) -> None:
        self.folder = folder
        self.lost_after_s = lost_after_s
        self.gate = Gate(folder / "gate", LOOKS)
        self.others = Gate(folder / "others", LOOKS)
        self.project = Project.create(folder / "project")
        self.cluster: BesideCluster | None = None
        self.cables: dict[str, Cable] = {}
        self.remote = folder / "remote.git"
        self._gear = gear
        self._where = folder / "where"
        self._set_up(when)

    def _set_up(self, when: When) -> None:
        project, programs = self.project, self.folder / "bin"
        programs.mkdir()
        project.env |= {
            TAG: str(self.folder),
            "BEGAN": str(self.folder / "began"),
            "PATH": f"{programs}:{project.env['PATH']}",
        }
        (self.folder / "hold").write_text(self.gate.script + "\n")
        hold = f"git -c alias.hold='!sh {self.folder}/hold' hold"
        waits = f'[ "$PITBOSS_SESSION_SEQ" != {STRUCK} ] || {hold}'
        script = AGENT.format(
            struck=STRUCK,
            where=self._where,
            begun=said(init(), message("one", *TOKENS)),
            hold=hold if when is When.IN_AGENT else ":",
            text=A_LOT if when is When.IN_PUSH else "echo text",
            others=self.others.script,
            ended=said(result(TOKENS, USD)),
        )
        executable(programs / "claude", script)
        git = shutil.which("git")
        if when is When.IN_PUSH:
            executable(
                programs / "git", HOLDING_GIT.format(where=self._where, gate=self.gate.script, git=git)
            )
        if when is When.IN_LANDING:
            hooks = project.root / ".git/hooks"
            hooks.mkdir(exist_ok=True)
            executable(
                hooks / "reference-transaction", LANDING_HOOK.format(struck=STRUCK, gate=self.gate.script)
            )
        tests = waits if when is When.IN_VERIFY else ":"
        more = f"[workers]\nlost_after_s = {self.lost_after_s}\n[tests]\ncommand = '''{tests}'''"
        more += "\n[retries]\nfixer_max_attempts = 0"
        if self._gear is Gear.REMOTE:
            project.git("init", "-q", "--bare", str(self.remote))
            more = more.replace("[workers]", f'[workers]\nremote = "file://{self.remote}"')
        configure(project, agent="claude_code", more=more)
        for name in ("alpha", "beta"):
            instruct(project, name, parallel_safe=True, verify=True, max_runs=2)

    @contextmanager
    def at_work(self) -> Iterator[str]:
        """The workers are there, unless they are the run's own; the address for `--workers`."""
        if self._gear in (Gear.OWN, Gear.REMOTE):
            yield f"local:{len(NAMES)}"
            return
        with ExitStack() as stack:
            tls = None
            if self._gear is Gear.NETWORK:
                tls = self.folder / "tls"
                assert self.project.pitboss("workers", "cert", str(tls)).code == 0
                self.project.write(
                    ".pitboss/config.toml",
                    (self.project.root / ".pitboss/config.toml")
                    .read_text()
                    .replace("[workers]", f'[workers]\ntls = "{tls}"'),
                )
            for name in NAMES:
                stack.enter_context(self._equipped(name))
            host = "127.0.0.1" if tls is None else "0.0.0.0"
            self.cluster = stack.enter_context(
                cluster_beside(self.project, self.folder / "cluster", tls, host)
            )
            for name in NAMES:
                self.begin_worker(name, awaited=False)
            wait_until(lambda: len(self.workers()) == len(NAMES))
            yield self.cluster.address

    @contextmanager
    def _equipped(self, name: str) -> Iterator[None]:
        if self._gear is Gear.NETWORK:
            with cable() as joined:
                self.cables[name] = joined
                yield
        elif self._gear is Gear.DISK:
            (self.folder / name).mkdir()
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(self.folder / name)], check=True
            )
            try:
                yield
            finally:
                subprocess.run(["umount", "--lazy", str(self.folder / name)], check=True)
        else:
            if self._gear is Gear.CLOCK:
                self.set_clock(name, HOUR_S)
            yield

    def begin_worker(self, name: str, *, awaited: bool = True) -> subprocess.Popen[bytes]:
        """Start a worker, also one that was there before."""
        assert self.cluster is not None
        options: tuple[str, ...] = ()
        env: dict[str, str] = {}
        if self._gear is Gear.DISK:
            options = ("--dir", str(self.disk(name)))
        if self._gear is Gear.CLOCK:
            env = {"LD_PRELOAD": str(self._skewed_clock()), "CLOCK_SKEW": str(self._clock(name))}
        if joined := self.cables.get(name):
            return self.cluster.worker(name, prefix=joined.prefix, host=joined.here, awaited=awaited)
        return self.cluster.worker(name, *options, env=env, awaited=awaited)

    def disk(self, name: str) -> Path:
        """The folder of a worker with a small disk."""
        return self.folder / name / "worker"

    def set_clock(self, name: str, ahead_s: int) -> None:
        """Have a worker's clock so far ahead from now on."""
        with self._clock(name).open("r+b" if self._clock(name).exists() else "wb") as file:
            file.write(struct.pack("q", ahead_s))

    def _clock(self, name: str) -> Path:
        return self.folder / f"{name}.skew"

    def _skewed_clock(self) -> Path:
        library = self.folder / "skewed_clock.so"
        if not library.exists():
            source = Path(__file__).with_name("skewed_clock.c")
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return library

    # What can be seen of it

    def workers(self) -> list[dict[str, Any]]:
        """Who is at work."""
        address = () if self.cluster is None else (self.cluster.address, *self._tls())
        found: list[dict[str, Any]] = self.project.pitboss("workers", *address, "--json").json()
        return found

    def _tls(self) -> tuple[str, ...]:
        return ("--tls", str(self.folder / "tls")) if self._gear is Gear.NETWORK else ()

    def struck(self) -> str:
        """The worker of the session that waits."""
        wait_until(self._where.exists)
        parts = Path(self._where.read_text()).parts
        folder = parts[parts.index("repositories") - 1]
        return parts[parts.index("repositories") - 2] if folder == "worker" else folder

    def pid(self, name: str) -> int:
        """The process of a worker that runs sessions."""
        wait_until(lambda: any(worker["name"] == name for worker in self.workers()))
        return next(int(worker["pid"]) for worker in self.workers() if worker["name"] == name)

    def agents(self) -> list[int]:
        """The processes of the session that waits: its agent, its tests, and all below."""
        return proctree.carrying({TAG: str(self.folder), SESSION_SEQ: str(STRUCK)}, since=0)

    def left(self) -> list[int]:
        """All processes of the night."""
        return proctree.carrying({TAG: str(self.folder)}, since=0)

    def record(self) -> dict[str, Any] | None:
        """The record of the session that waits, once there is one."""
        records = the_run(self.project).records
        return next((record for record in records if record["seq"] == STRUCK), None)

    def kept(self) -> set[str]:
        """The files on the run branch and under rescue refs."""
        run = the_run(self.project)
        found = set(run.files(run.branch))
        for ref in self.project.git("for-each-ref", "--format=%(refname)", "refs/pitboss/rescue").split():
            found |= set(run.files(ref))
        return found

    def work_of(self, seq: int) -> bool:
        """Whether what a session wrote is on the run branch or rescued."""
        return any(name.endswith(f"-{seq}.txt") for name in self.kept())


def within(seconds: float, what: Callable[[], object]) -> bool:
    """Whether a condition comes true within that time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def in_words(record: dict[str, Any]) -> str:
    """A record, for a message."""
    return json.dumps({key: record.get(key) for key in ("seq", "status", "reason", "host", "tokens")})
