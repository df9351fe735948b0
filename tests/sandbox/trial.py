"""One run of `pitboss grind` that makes all attacks of a mode, and what harm was seen outside."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from pitboss import proctree
from tests.sandbox.attack import SLOTS, Judged, Session
from tests.sandbox.needs import NEEDS
from tests.sandbox.scene import Scene
from tests.support.cli import COMMAND, PATIENCE_S
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.sandbox.attack import Attack

_STEP_S = 60
_ASK = "ask() { echo $1 >$MEET/asks; read -r _ <$MEET/answers; }"
_NEEDS = """
for need in $(cat $MEET/needs); do
  timeout {seconds} bash $MEET/need.$need.sh >$MEET/loot/need.$need 2>&1 </dev/null && echo met >>$MEET/loot/need.$need
done
"""
_STEPS = """
for step in $(cat $MEET/{session}.steps); do
  timeout {seconds} bash $MEET/$step.sh >$MEET/loot/$step 2>&1 </dev/null
  ask $step
done
"""
_BEGIN = """
set +e
export MEET={meet} TREE=$PITBOSS_WORKTREE SANDBOX={sandbox}
{ask}
ask ready
set -a; . $MEET/variables; set +a
"""


class Trial:
    """All attacks of one mode under one setting of the network, in one run."""

    def __init__(
        self, folder: Path, attacks: Mapping[str, Attack], mode: str, *, sandbox: bool, network: str = "open"
    ):
        self.mode, self.sandbox = mode, sandbox
        self.scene = Scene(folder, mode)
        self.attacks = {
            name: attack
            for name, attack in attacks.items()
            if mode in attack.modes and (network == attack.network or not sandbox)
        }
        self.needs = {
            name: need for name, need in NEEDS.items() if mode in need.modes and network in need.network
        }
        self.unmet: dict[str, str] = {}
        self.harmed: dict[str, bool] = {}
        self.loot: dict[str, str] = {}
        self._met: set[str] = set()
        self._variables: dict[str, str] = {}
        self.said = ""
        self.code: int | None = None
        try:
            self._write_inputs(network)
            self._play()
        finally:
            self.scene.close()

    def impossible(self) -> set[str]:
        """The attacks that this machine stops by itself."""
        return {name for name, attack in self.attacks.items() if not self._holds(attack.possible, name)}

    def surprises(self) -> list[str]:
        """What is not as it must be; empty when all is well."""
        return [*self._about_the_run(), *self._about_needs(), *self._about_attacks()]

    def _about_the_run(self) -> Iterator[str]:
        if self.code != 0:
            yield f"exit code {self.code}: {self.said}"
        for record in the_run(self.scene.project).records:
            if self.sandbox and record["status"] not in ("ok", "dirty"):  # amended commits are rescued
                yield f"session {record['prompt']} ended as {record['status']}: {record.get('reason')}"

    def _about_needs(self) -> Iterator[str]:
        for name, printed in self.unmet.items():
            yield f"cannot {self.needs[name].what} ({name}): {printed[-500:]}"

    def _about_attacks(self) -> Iterator[str]:
        """With the sandbox off, each attack that this machine does not stop by itself has to succeed."""
        exempt = self.impossible()
        for name, attack in self.attacks.items():
            harmed = self.harmed.get(name)
            if harmed is None:
                yield f"{name} was not made"
            elif not self.sandbox and not harmed and name not in exempt:
                yield f"{name} does no harm without a sandbox either: {self.loot[name][-500:]}"
            elif self.sandbox and harmed is attack.stopped and not (not harmed and name in exempt):
                yield f"{name} {'succeeded' if harmed else 'was stopped'}: {self.loot[name][-500:]}"

    # What the sessions do

    def _write_inputs(self, network: str) -> None:
        scene = self.scene
        paths = f'writable = ["{scene.meet}"]\nhidden = ["{scene.hidden}"]\n'
        sandbox = f'[sandbox]\nmode = "bwrap"\nnetwork = "{network}"\n{paths}'
        more = '[tests]\ncommand = "sh check.sh"\n[grind.hooks]\npost_session = "sh after.sh"\n'
        if self.mode == SLOTS:
            more += '[grind.worktree]\ncopy = [".env", "conf/local.env"]\n'
        configure(scene.project, grind=f'mode = "{self.mode}"', more=more + (sandbox if self.sandbox else ""))
        config = scene.project.root / ".pitboss/config.toml"
        config.write_text(config.read_text().replace("[grind]", 'env_remove = ["VAULT_*"]\n[grind]', 1))
        for name, need in self.needs.items():
            (scene.meet / f"need.{name}.sh").write_text(need.script + "\n")
        (scene.meet / "needs").write_text("\n".join(self.needs))
        for session in Session:
            self._write_steps(session)
            scene.project.prompt(session, self._script(session), **self._meta())
        if self.mode == SLOTS:
            scene.project.prompt("neighbour", self._neighbour(), **self._meta())

    def _meta(self) -> dict[str, object]:
        return {"max_runs": 1, "verify": True, "parallel_safe": self.mode == SLOTS}

    def _write_steps(self, session: Session) -> None:
        names = [name for name in self._in_order() if self.attacks[name].session is session]
        for name in names:
            (self.scene.meet / f"{_step(name)}.sh").write_text(self.attacks[name].script + "\n")
        (self.scene.meet / f"{session}.steps").write_text("\n".join(map(_step, names)))

    def _in_order(self) -> list[str]:
        """What is judged at the end comes last, since its harm remains; what a fault stands for is not made."""
        made = [name for name in self.attacks if not self._by_fault(name)]
        return sorted(made, key=lambda name: self.attacks[name].judged is Judged.AFTERWARDS)

    def _script(self, session: Session) -> str:
        begin = _BEGIN.format(meet=self.scene.meet, sandbox="on" if self.sandbox else "off", ask=_ASK)
        needs = _NEEDS.format(seconds=_STEP_S) if session is Session.FIRST else ""
        plants = [
            attack.plant for attack in self.attacks.values() if attack.plant and session is Session.FIRST
        ]
        steps = _STEPS.format(session=session, seconds=_STEP_S)
        work = f"echo 'the work of {session}' >work-{session}.txt\n"
        return "\n".join((begin, work, needs, *plants, steps, f"ask over-{session}"))

    def _neighbour(self) -> str:
        """Works beside the attack until both other sessions are over."""
        meet = self.scene.meet
        return f"echo $PITBOSS_WORKTREE >{meet}/there; echo neighbour >{meet}/asks; read -r _ <{meet}/gate"

    # What happens outside meanwhile

    def _play(self) -> None:
        meet, project = self.scene.meet, self.scene.project
        secret = self.scene.folder / "secret-open"
        secret.write_text("SECRET\n")
        with contextlib.ExitStack() as stack:
            pipes = {}
            for name in ("asks", "answers", "gate"):
                os.mkfifo(meet / name)
                pipes[name] = os.open(meet / name, os.O_RDWR)
                stack.callback(os.close, pipes[name])
            said = stack.enter_context((self.scene.folder / "said").open("w+b"))
            inherited = os.open(secret, os.O_RDONLY)
            stack.callback(os.close, inherited)
            parallel = ("--max-parallel", "2") if self.mode == SLOTS else ()
            process = subprocess.Popen(
                [*COMMAND, "grind", *parallel],
                cwd=project.root,
                env=project.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=(inherited,),
            )
            stack.callback(_ended, process)
            for ask in self._asks(process, pipes["asks"]):
                self._answer(ask, process, pipes)
            self.code = process.wait(PATIENCE_S)
            said.seek(0)
            self.said = said.read().decode()
        self._judge_afterwards()

    def _asks(self, process: subprocess.Popen[bytes], pipe: int) -> Iterator[str]:
        """What sessions ask, until the run is over."""
        text = b""
        while process.poll() is None:
            if select.select([pipe], [], [], 0.1)[0]:
                text += os.read(pipe, 4096)
                *lines, text = text.split(b"\n")
                yield from (line.decode() for line in lines)

    def _answer(self, ask: str, process: subprocess.Popen[bytes], pipes: Mapping[str, int]) -> None:
        self._met.add(ask)
        needed = {"ready", "neighbour"} if self.mode == SLOTS else {"ready"}
        if ask in ("ready", "neighbour"):
            if not needed <= self._met:
                return
            self._tell(process)
        elif ask == f"over-{Session.NEXT}":
            os.write(pipes["gate"], b"\n")
        elif (name := self._named(ask)) and self.attacks[name].judged is Judged.AT_ONCE:
            self._judge(name)
        os.write(pipes["answers"], b"\n")

    def _named(self, step: str) -> str | None:
        return next((name for name in self.attacks if _step(name) == step), None)

    def _tell(self, process: subprocess.Popen[bytes]) -> None:
        """Let scripts know everything that a well-informed attacker could."""
        run = the_run(self.scene.project)
        runners = [process.pid, *proctree.children(process.pid)]
        marker = {"PITBOSS_RUN_ID": run.run_id, "PITBOSS_PROMPT_NAME": "neighbour"}
        neighbours = proctree.carrying(marker, since=0)[:1]
        there = self.scene.meet / "there"
        self._variables = self.scene.variables() | {
            "RUN": str(run.folder),
            "VICTIMS": " ".join(map(str, [*runners, *neighbours])),
            "THERE": there.read_text().strip() if there.exists() else "",
        }
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in self._variables.items())
        (self.scene.meet / "variables").write_text(text)

    # What came of it

    def _by_fault(self, name: str) -> bool:
        return not self.sandbox and bool(self.attacks[name].fault)

    def _judge(self, name: str) -> None:
        loot = self.scene.meet / "loot" / _step(name)
        self.loot[name] = loot.read_text(errors="replace") if loot.exists() else ""
        if "terminal-heard" in self.attacks[name].harm:
            self.scene.terminal.listen(0.1 if self.sandbox else 10.0)
        self.harmed[name] = self._holds(self.attacks[name].harm, name)
        if self.harmed[name] and self.attacks[name].undo:
            self._sh(self.attacks[name].undo, name)

    def _judge_afterwards(self) -> None:
        if not self._variables:
            return
        for name, need in self.needs.items():
            printed = (self.scene.meet / f"loot/need.{name}").read_text(errors="replace")
            if not (printed.endswith("met\n") and self._holds(need.seen, f"need.{name}")):
                self.unmet[name] = printed
        for name, attack in self.attacks.items():
            if self._by_fault(name):
                self._sh(attack.fault, name)
                self._judge(name)
            elif attack.judged is Judged.AFTERWARDS:
                self._judge(name)

    def _holds(self, condition: str, name: str) -> bool:
        return self._sh(condition, name).returncode == 0

    def _sh(self, script: str, name: str) -> subprocess.CompletedProcess[bytes]:
        env = (
            self.scene.project.env
            | self._variables
            | {
                "LOOT": str(self.scene.meet / "loot" / _step(name)),
                "SANDBOX": "on" if self.sandbox else "off",
                "TREE": str(self.scene.project.root),
            }
        )
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.scene.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr if os.environ.get("PITBOSS_SANDBOX_VERBOSE") else subprocess.DEVNULL,
            check=False,
            timeout=PATIENCE_S,
        )


def _step(name: str) -> str:
    return name.replace("/", ".")


def _ended(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
