"""`grind --detach`: it returns when the run is live, or with its error; the run needs no terminal (SPEC 10)."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pitboss import proctree
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from tests.support.cli import COMMAND, PATIENCE_S, Done, Project, wait_until
from tests.support.runs import Gate, Run, configure, kill_both, the_run
from tests.support.tmux import command, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scene(NamedTuple):
    """A project with one prompt, whose session waits at a gate."""

    project: Project
    gate: Gate

    def live(self) -> bool:
        """Whether a run is."""
        return lock_holder(*lock_paths(self.project.root)) is not None

    def over(self) -> Run:
        """The run, after its end."""
        wait_until(lambda: not self.live())
        return the_run(self.project)

    def guardian(self) -> int:
        """The process that holds the lock."""
        holder = lock_holder(*lock_paths(self.project.root))
        assert holder is not None
        assert holder.pid is not None
        return holder.pid

    def runner(self) -> int:
        """The process that works."""
        return proctree.children(self.guardian())[0]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    project = Project.create(tmp_path / "repo")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"{gate.script}\necho done >a.txt", max_runs=1)
    scene = Scene(project, gate)
    yield scene
    gate.open()
    if scene.live():
        project.pitboss("stop", "--now")
        wait_until(lambda: not scene.live())


def run_id_of(done: Done) -> str:
    """The run that a detached start has told of."""
    assert done.code == 0, done
    run_id, watch, stop, log = done.out.splitlines()
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", run_id)
    assert (watch, stop) == (f"watch: pitboss watch {run_id}", "stop:  pitboss stop")
    assert log.endswith(f"/.pitboss/grind/runs/{run_id}/runner.log")
    return run_id


def test_it_returns_while_the_run_goes_on_and_holds_no_pipe_of_the_caller(scene: Scene) -> None:
    configure(scene.project, more="[tests]\nbroken_key = 1")
    done = scene.project.pitboss("grind", "--detach")  # returns only when nobody holds its pipes any more
    run_id = run_id_of(done)
    assert "tests.broken_key: unknown key" in done.err
    assert f"run {run_id} on branch pitboss/grind/{run_id}\n" in done.err
    scene.gate.wait()
    assert os.getsid(scene.guardian()) == scene.guardian()
    for fd in (0, 1):
        assert os.fspath(Path(f"/proc/{scene.runner()}/fd/{fd}").readlink()) == os.devnull
    scene.gate.open()
    run = scene.over()
    assert run.ending() == ("completed", "every prompt has had its runs")
    said = (run.folder / "runner.log").read_text()
    assert said.startswith("session-0001 alpha started (shell)\n")
    assert f"run {run_id} finished: every prompt has had its runs\n" in said
    assert "\x1b" not in said


def test_it_holds_nothing_else_that_the_caller_has_open(scene: Scene) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        [*COMMAND, "grind", "--detach"],
        cwd=scene.project.root,
        env=scene.project.env,
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(writing)
        assert process.wait(PATIENCE_S) == 0
    scene.gate.wait()
    assert select.select([reading], [], [], PATIENCE_S)[0]
    assert os.read(reading, 1) == b""  # so nobody can write to it
    os.close(reading)
    assert scene.live()


def test_as_data(scene: Scene) -> None:
    said = scene.project.pitboss("grind", "--detach", "--json").json()
    scene.gate.wait()
    run = the_run(scene.project)
    assert said == {"run_id": run.run_id, "pid": scene.guardian(), "log": str(run.folder / "runner.log")}


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (("--rotation", "nope"), 4, "no rotation is named 'nope'"),
        (("beta",), 4, "no prompt is named 'beta'"),
        (("--resume",), 4, "no resumable grind run found"),
        (("--from", "nowhere"), 4, "there is no commit nowhere to start from"),
        (("--prompt-file", "missing.md"), 4, "missing.md: does not exist"),
        (("--dry-run",), 4, "--dry-run starts no run that --detach could be about"),
        (("--tui", "--json"), 4, "--tui shows the run to a person, --json is for programs: use either"),
        (
            ("--tui",),
            1,
            "`pitboss grind --tui` needs a terminal\nhint: `pitboss grind --detach` starts the run without one",
        ),
        (("--max-iterations", "many"), 4, "Invalid value for '--max-iterations'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_start_that_is_refused_says_so_with_its_exit_code(
    scene: Scene, args: tuple[str, ...], code: int, error: str
) -> None:
    done = scene.project.pitboss("grind", "--detach", *args)
    assert (done.code, done.out) == (code, "")
    assert error in done.err
    assert not scene.live()


def test_a_second_run_is_refused(scene: Scene) -> None:
    run_id = run_id_of(scene.project.pitboss("grind", "--detach"))
    refused = scene.project.pitboss("grind", "--detach")
    assert refused.code == 4
    assert f"another grind run is live in this working tree: {run_id}" in refused.err


def test_hangups_change_nothing_and_stop_works(scene: Scene) -> None:
    scene.project.pitboss("grind", "--detach")
    scene.gate.wait()
    for _ in range(3):
        for pid in (scene.guardian(), scene.runner()):
            os.kill(pid, signal.SIGHUP)
    assert scene.project.pitboss("stop").code == 0
    scene.gate.open()
    run = scene.over()
    assert run.record("alpha")["status"] == "ok"
    assert "draining: no new session starts" in (run.folder / "runner.log").read_text()


def test_a_terminal_that_closes_takes_nothing_with_it(scene: Scene) -> None:
    """A shell on a terminal of its own starts the run and is hung up on, as by a lost ssh connection."""
    shell, terminal = pty.fork()
    if shell == 0:
        os.chdir(scene.project.root)
        script = f"{' '.join(COMMAND)} grind --detach; exec sleep 600"
        os.execve("/bin/sh", ["sh", "-c", script], scene.project.env)
    try:
        scene.gate.wait()
        wait_until(lambda: scene.live() and the_run(scene.project).state["status"] == "active")
    finally:
        os.close(terminal)
        os.kill(shell, signal.SIGHUP)
        os.waitpid(shell, 0)
    scene.gate.open()
    assert scene.over().ending() == ("completed", "every prompt has had its runs")


@contextlib.contextmanager
def starting(scene: Scene, probe: Gate) -> Iterator[subprocess.Popen[bytes]]:
    """A detached start that is still trying its agent."""
    word = "$(sed -n 's/.*content is this word: //p')"
    script = f'word={word}; {probe.script}; echo "$word" >written.txt; printenv PITBOSS_PROBE >ran.txt'
    script += '; echo \'{"input_tokens": 1, "output_tokens": 1, "cost_usd": 0}\' >"$PITBOSS_USAGE_FILE"'
    scene.project.write(
        ".pitboss/config.toml",
        f'[agent]\nbackend = "command"\nprobe = true\n[agent.command]\ncommand = {json.dumps(["sh", "-c", script])}\n',
    )
    scene.project.prompt("alpha", "true", max_runs=1)
    with scene.project.started("grind", "--detach", "--max-cost", "5") as process:
        probe.wait()
        yield process


def test_what_happens_before_the_run_is_live_is_seen_where_it_was_started(
    scene: Scene, tmp_path: Path
) -> None:
    probe = Gate(tmp_path / "probe")
    with starting(scene, probe) as process:
        probe.open()
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert b"trying command, for at most 180 s\n" in err
    assert scene.over().ending()[0] == "completed"
    assert out.decode().startswith(the_run(scene.project).run_id)


def test_whoever_started_it_may_die_before_it_is_live(scene: Scene, tmp_path: Path) -> None:
    probe = Gate(tmp_path / "probe")
    with starting(scene, probe) as process:
        process.kill()
        process.wait()
        probe.open()
        assert scene.over().ending()[0] == "completed"


def test_ctrl_c_before_it_is_live_calls_the_start_off(scene: Scene, tmp_path: Path) -> None:
    probe = Gate(tmp_path / "probe")
    with starting(scene, probe) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    wait_until(lambda: not scene.live())
    assert not list((scene.project.root / ".pitboss/grind/runs").glob("*/state.json"))


@pytest.mark.parametrize("victims", ["runner", "guardian and runner"])
def test_a_detached_run_that_is_killed_is_resumed_detached(scene: Scene, victims: str) -> None:
    run_id_of(scene.project.pitboss("grind", "--detach", "--max-iterations", "5"))
    scene.gate.wait()
    guardian, runner = scene.guardian(), scene.runner()
    if victims == "runner":
        os.kill(runner, signal.SIGKILL)
    else:
        kill_both(guardian, runner)
    run = scene.over()
    log = run.folder / "runner.log"
    if victims == "runner":
        assert "error: the runner was killed (signal 9)" in log.read_text()
        assert "`pitboss grind --resume` goes on" in log.read_text()
    scene.project.prompt("alpha", "echo done >a.txt", max_runs=2)
    theirs = scene.project.root.parent / "theirs"
    theirs.write_text("theirs\n")
    log.unlink()
    log.symlink_to(theirs)
    assert run_id_of(scene.project.pitboss("grind", "--detach", "--resume")) == run.run_id
    assert [r["status"] for r in scene.over().records] == ["aborted", "ok"]
    assert theirs.read_text() == "theirs\n"
    assert "finished: every prompt has had its runs" in log.read_text()


def test_a_resume_that_has_nothing_left_to_start_ends_like_one_that_was_waited_for(scene: Scene) -> None:
    scene.gate.open()
    scene.project.pitboss("grind", "--max-iterations", "1")
    scene.project.prompt("alpha", "true", max_runs=1)
    done = scene.project.pitboss("grind", "--detach", "--resume", "--max-iterations", "none")
    assert (done.code, done.out) == (0, ""), done
    assert "finished: every prompt has had its runs" in done.err
    again = scene.project.pitboss("grind", "--detach", "--resume")
    assert again.code == 4


def test_no_secret_gets_into_the_log(scene: Scene) -> None:
    scene.project.env["SOME_API_KEY"] = "sk-not-to-be-seen-0123456789"
    scene.project.prompt("alpha", 'echo "$SOME_API_KEY" >"$PITBOSS_SUMMARY_FILE"; exit 1', max_runs=1)
    run_id_of(scene.project.pitboss("grind", "--detach"))
    run = scene.over()
    said = (run.folder / "runner.log").read_text()
    assert "session-0001 error" in said
    assert "sk-not-to-be-seen" not in said


def test_it_starts_from_the_bare_environment_of_cron(scene: Scene) -> None:
    home = scene.project.env["HOME"]
    bare = {"HOME": home, "LOGNAME": "me", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "PWD": home}
    began = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-c", f"cd {scene.project.root} && {' '.join(COMMAND)} grind --detach --until 8h"],
        env=bare,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert time.monotonic() - began < PATIENCE_S
    run_id_of(Done(done.returncode, done.stdout, done.stderr))
    scene.gate.open()
    assert scene.over().ending()[0] == "completed"


def test_a_run_that_is_watched_from_its_start_outlives_its_watcher(scene: Scene) -> None:
    with terminal(scene.project) as screen:
        screen.enter(command("grind", "--tui"))
        screen.wait_for("● live", "alpha", "agent at work")
        screen.keys("q")
        screen.wait_for("log:", "runner.log")
        assert scene.live()
    scene.gate.open()
    assert scene.over().ending() == ("completed", "every prompt has had its runs")
