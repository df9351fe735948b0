"""The guardian: signals passed on, exit codes, and nothing left whoever is killed (SPEC 1.4, 5)."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from pitboss.warden import SWEEP_GRACE_S
from tests.support.cli import PATIENCE_S, wait_until
from tests.support.processes import FIVE_NAMES, FIVE_PROCESSES, ROOT, alive, finish, pids, script

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARDED = """
import os, sys
from pathlib import Path
from pitboss.cli.shared.failures import exit_code
from pitboss.core.stops import StopLevel, StopRequest
from pitboss.guardian import guard
from pitboss.process import Command, run

def body(channel):
    Path(sys.argv[1], "runner").write_text(str(os.getpid()))
    command = Command(argv=("sh", "-c", sys.argv[2], "sh", sys.argv[1]), cwd=sys.argv[1],
        env={**os.environ, **MARKER}, grace_s=1)
    return work(channel, command)

def until_aborted(channel, command):
    stop = lambda: StopRequest.ABORT if channel.level() is StopLevel.ABORT else None
    ended = run(command, stop=stop, on_output=lambda chunk: note(channel))
    note(channel)
    return 2 if ended.stop else ended.code

def note(channel):
    new = Path(sys.argv[1] + ".new")
    new.write_text(channel.level().name)
    new.replace(sys.argv[1] + ".level")

MARKER = {"PITBOSS_RUN_ID": sys.argv[1]}
work = until_aborted
if __name__ == "__main__":
    resumable = Path(sys.argv[1], "resumable").exists
    sys.exit(exit_code(lambda: guard(body, marker=MARKER, resumable=resumable)))
"""

TALKING = FIVE_PROCESSES.replace("sleep 0.05", "sleep 0.05; echo more")


class Run:
    """A guarded run of the five-process agent, whose level the runner notes at every word of the agent."""

    def __init__(self, folder: Path, agent: str = TALKING, source: str = GUARDED) -> None:
        self.folder = folder
        folder.mkdir()
        self.guardian = script(source, folder, agent)
        wait_until(lambda: set(pids(folder)) == {*FIVE_NAMES, "runner"})
        self.runner = pids(folder)["runner"]

        self.note = Path(f"{folder}.level")

    def level(self) -> str:
        return self.note.read_text() if self.note.exists() else ""

    def hear_more(self) -> None:
        """Wait until the runner, at two more words of the agent, has noted its level anew."""
        for _ in range(2):
            self._wait_for_a_note_after(self._noted_at())

    def _wait_for_a_note_after(self, moment: int) -> None:
        wait_until(lambda: self.level() and self._noted_at() > moment)

    def _noted_at(self) -> int:
        return self.note.stat().st_mtime_ns if self.note.exists() else 0

    def end(self) -> tuple[int, str]:
        """Exit code and stderr, once nothing is left of the tree."""
        _, err = self.guardian.communicate(timeout=PATIENCE_S)
        wait_until(lambda: alive(self.folder) == [])
        return self.guardian.returncode, err

    def clean_up(self) -> None:
        proctree.end_tree([self.guardian.pid, *pids(self.folder).values()], grace_s=0)
        self.guardian.communicate()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = Run(tmp_path / "run")
    yield started
    started.clean_up()


@pytest.mark.parametrize("code", [0, 1, 5, 70])
def test_the_runners_exit_code_is_the_guardians_and_its_output_is_flushed(code: int) -> None:
    body = f"lambda _: print('said') or {code}"
    source = f"import sys; from pitboss.guardian import guard; sys.exit(guard({body}, marker={{}}))"
    child = script(source)
    assert child.communicate() == ("said\n", "")
    assert child.returncode == code


HINT = "hint: `pitboss grind --resume` goes on from where it stopped\n"


@pytest.mark.parametrize(("resumable", "hint"), [(True, HINT), (False, "")])
def test_a_killed_runner_is_70_and_its_whole_tree_is_gone(run: Run, resumable: bool, hint: str) -> None:
    if resumable:
        (run.folder / "resumable").touch()
    os.kill(run.runner, signal.SIGKILL)
    assert run.end() == (70, f"error: the runner was killed (signal 9)\n{hint}")


def test_the_guardian_returns_only_when_nothing_is_left(run: Run) -> None:
    os.kill(run.runner, signal.SIGKILL)
    run.guardian.communicate()
    assert alive(run.folder) == []


def test_what_is_deaf_to_term_is_gone_too_when_the_guardian_returns(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", "trap '' TERM" + FIVE_PROCESSES)
    try:
        os.kill(run.runner, signal.SIGKILL)
        run.guardian.wait(timeout=PATIENCE_S)
        assert alive(run.folder) == []
    finally:
        run.clean_up()


def test_whatever_is_left_of_a_run_is_gone_within_five_seconds() -> None:
    """On a machine that has time for it: no limit on a busy one would tell a fault from a queue."""
    assert SWEEP_GRACE_S + proctree.KILL_PATIENCE_S < 5


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_drains_and_the_next_aborts(run: Run, signum: signal.Signals) -> None:
    wait_until(lambda: run.level() == "NONE")
    run.guardian.send_signal(signum)
    wait_until(lambda: run.level() == "DRAIN")
    assert alive(run.folder) == sorted([*FIVE_NAMES, "runner"]), "the agent goes on"
    run.guardian.send_signal(signal.SIGINT)
    assert run.end() == (2, "")
    assert run.level() == "ABORT"


def test_signals_to_the_runner_itself_never_do_more_than_drain(run: Run) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        os.kill(run.runner, signum)
        run.hear_more()
    assert run.level() == "DRAIN"
    run.guardian.send_signal(signal.SIGTERM)
    run.guardian.send_signal(signal.SIGINT)
    assert run.end() == (2, "")


def test_the_runner_aborts_when_its_guardian_is_killed(run: Run) -> None:
    run.guardian.kill()
    assert run.end()[0] == -9
    assert run.level() == "ABORT"


@pytest.mark.parametrize("agent", [TALKING, "trap '' TERM" + TALKING], ids=["five processes", "deaf to TERM"])
def test_nothing_is_left_when_guardian_and_runner_are_killed_in_one_instant(
    tmp_path: Path, agent: str
) -> None:
    looks_often = "from pitboss import warden; warden.LOOK_EVERY_S = 0.05\n" + GUARDED
    run = Run(tmp_path / "run", agent, looks_often)
    try:
        _wait_until_the_warden_has_looked(run.guardian.pid)
        for pid in (run.guardian.pid, run.runner):
            os.kill(pid, signal.SIGKILL)
        assert run.end() == (-9, "")
    finally:
        run.clean_up()


def _wait_until_the_warden_has_looked(guardian: int) -> None:
    """Then it knows also who scrubbed its environment and lost its parent."""
    wait_until(lambda: _warden_of(guardian))
    (warden,) = _warden_of(guardian)
    before = _waits(warden)
    wait_until(lambda: _waits(warden) > before + 5)


def _warden_of(guardian: int) -> list[int]:
    """The warden at the other end of the guardian's pipes; other tests have wardens too."""
    return [pid for pid in _with_words("grind-warden") if _pipes(pid) & _pipes(guardian)]


def _pipes(pid: int) -> set[str]:
    try:
        ends = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()
    return {end for end in ends if end.startswith("pipe:")}


def _waits(pid: int) -> int:
    """How often a process has waited for something, if only for time to pass."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_the_warden_does_not_go_by_the_name_of_the_command(tmp_path: Path) -> None:
    """So `pkill -9 -f pitboss` leaves somebody who ends the agents."""
    run = Run(tmp_path / "run")
    try:
        # A child that has not come to its exec yet has the name of its parent.
        named = {run.guardian.pid, run.runner, pids(run.folder)["leader"]}
        wait_until(lambda: _with_words(str(run.folder)) == named)
        assert _with_words("grind-warden")
    finally:
        run.clean_up()


def _with_words(words: str) -> set[int]:
    """The processes whose command line has these words."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if _has_words(entry, words)}


def _has_words(process: Path, words: str) -> bool:
    try:
        return words in (process / "cmdline").read_text(errors="replace")
    except OSError:
        return False


HEARS = """
import os, signal
from pitboss import guardian
out, into = os.pipe()
os.set_blocking(out, False)
def requests(*signals):
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    for signum in signals:
        os.kill(os.getpid(), signum)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    try:
        return len(os.read(out, 99))
    except BlockingIOError:
        return 0
guardian._forward_signals(into)
"""


def test_a_sighup_right_after_another_signal_is_the_same_request() -> None:
    source = """
guardian.SAME_REQUEST_S = 1000
print(requests(signal.SIGTERM), requests(signal.SIGHUP), requests(signal.SIGHUP), requests(signal.SIGINT))
guardian.SAME_REQUEST_S = 0
print(requests(signal.SIGHUP), requests(signal.SIGHUP))
"""
    assert finish(HEARS + source) == ["1 0 0 1", "1 1"]


def test_a_sigterm_and_a_sighup_that_a_busy_process_hears_together_are_one_request() -> None:
    """A service manager sends SIGTERM first; of those that wait, the one with the lower number is heard first."""
    source = "guardian.SAME_REQUEST_S = 1000; print(requests(signal.SIGTERM, signal.SIGHUP))"
    assert finish(HEARS + source) == ["1"]


def test_a_signal_that_cannot_wait_counts_as_asking_twice() -> None:
    source = """
guardian._forward_signals(into, (signal.SIGTERM,))
print(requests(signal.SIGINT), requests(signal.SIGTERM))
"""
    assert finish(HEARS + source) == ["1 2"]


def test_under_nohup_a_closing_terminal_stops_nothing(tmp_path: Path) -> None:
    source = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + GUARDED
    agent = "trap 'echo hup' HUP; echo ready; until [ -e over ]; do sleep 0.02; done; exit 4"
    (tmp_path / "run").mkdir()
    guardian = script(source, tmp_path / "run", agent)
    wait_until((tmp_path / "run.level").exists)
    guardian.send_signal(signal.SIGHUP)
    os.kill(pids(tmp_path / "run")["runner"], signal.SIGHUP)
    (tmp_path / "run" / "over").touch()
    assert guardian.communicate(timeout=PATIENCE_S) == ("", "")
    assert guardian.returncode == 4
    assert (tmp_path / "run.level").read_text() == "NONE"


def test_children_start_with_default_signals_and_three_descriptors(tmp_path: Path) -> None:
    source = GUARDED.replace(
        "work = until_aborted", "work = lambda _, command: print(run(command).tail.decode()) or 0"
    )
    agent = "grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd"
    ended = finish(source, tmp_path, agent)
    inherited = int(_ignored_by_us(), 16)
    blocked, ignored, *descriptors = (line.split()[-1] for line in ended if line)
    assert (int(blocked, 16), int(ignored, 16)) == (0, inherited)
    assert descriptors == ["0", "1", "2", "3"], "3 is the listing's own"


def _ignored_by_us() -> str:
    """What a child of ours ignores: Python gives SIGPIPE and SIGXFSZ back."""
    status = subprocess.check_output(["grep", "SigIgn", "/proc/self/status"], text=True)
    return status.split()[-1]


def test_a_body_that_raises_is_70_and_says_itself_why() -> None:
    child = script(
        "import sys; from pitboss.guardian import guard; sys.exit(guard(lambda _: 1 // 0, marker={}))"
    )
    assert child.communicate() == ("", "")
    assert child.returncode == 70


GETTING_READY = """
import os, sys, time
from pathlib import Path
from pitboss import guardian
folder = Path(sys.argv[1])
def until(there):
    for _ in range(3000):
        if there(): return
        time.sleep(0.01)
calls = []
def get_ready():
    calls.append(1)
    if len(calls) < 3: return False
    (folder / "ready").write_text(f"{os.getpid()} {len(calls)}")
    DO
    return True
def body(channel):
    WORK
    return 3
guardian.SHORT_S = SECONDS
sys.exit(guardian.guard(body, marker={}, meanwhile=guardian.Meanwhile(get_ready=get_ready)))
"""


def getting_ready(folder: Path, *, after_s: float, work: str, do: str = "pass") -> subprocess.Popen[str]:
    source = GETTING_READY.replace("DO", do).replace("WORK", work).replace("SECONDS", str(after_s))
    return script(source, folder)


def test_a_guardian_gets_ready_for_the_end_of_a_run_that_lasts(tmp_path: Path) -> None:
    child = getting_ready(tmp_path, after_s=0.01, work='until((folder / "ready").exists)')
    assert child.communicate(timeout=PATIENCE_S) == ("", "")
    assert (child.returncode, (tmp_path / "ready").read_text()) == (3, f"{child.pid} 3")


def test_a_run_that_is_over_soon_ends_at_once_and_nothing_gets_ready(tmp_path: Path) -> None:
    child = getting_ready(tmp_path, after_s=3600, work="pass")
    assert child.communicate(timeout=PATIENCE_S) == ("", "")
    assert (child.returncode, list(tmp_path.iterdir())) == (3, [])


def test_what_goes_wrong_while_it_gets_ready_changes_no_exit_code(tmp_path: Path) -> None:
    child = getting_ready(tmp_path, after_s=0.01, work='until((folder / "ready").exists)', do="1 // 0")
    assert child.communicate(timeout=PATIENCE_S) == ("", "")
    assert child.returncode == 3


def test_a_request_that_comes_while_it_gets_ready_is_passed_on(tmp_path: Path) -> None:
    heard = 'until(channel.level); (folder / "heard").touch()'
    child = getting_ready(tmp_path, after_s=0.01, work=heard, do='until((folder / "heard").exists)')
    wait_until((tmp_path / "ready").exists)
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=PATIENCE_S) == ("", "")
    assert (child.returncode, (tmp_path / "heard").exists()) == (3, True)


def test_an_agent_left_alive_by_a_runner_that_ended_by_itself_is_ended(tmp_path: Path) -> None:
    source = GUARDED.replace(
        "work = until_aborted",
        "import subprocess\n"
        "work = lambda _, command: print(subprocess.Popen(command.argv, stdout=-1, stderr=-3).stdout.readline()) or 3",
    ).replace("import os, sys", "import os, sys, warnings; warnings.simplefilter('ignore')")
    (tmp_path / "run").mkdir()
    child = script(source, tmp_path / "run", FIVE_PROCESSES)
    assert child.communicate(timeout=PATIENCE_S) == ("b'ready\\n'\n", "")
    assert (child.returncode, sorted(pids(tmp_path / "run"))) == (3, sorted([*FIVE_NAMES, "runner"]))
    assert alive(tmp_path / "run") == []


SPOILED = """
import os, signal, sys, tty
from pitboss.cli.shared.failures import exit_code
from pitboss.guardian import guard
def body(channel):
    tty.setraw(2)
    os.write(2, b"\\x1b[?25l spoiled")
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(exit_code(lambda: guard(body, marker={})))
"""


def test_the_terminal_is_given_back_as_it_was_when_the_runner_is_killed() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    child = subprocess.Popen([sys.executable, "-c", SPOILED], cwd=ROOT, stderr=theirs)
    assert child.wait(timeout=PATIENCE_S) == 70
    assert termios.tcgetattr(theirs) == before
    shown = os.read(ours, 4096).decode()
    assert shown.startswith("\x1b[?25l spoiled\x1b[?25h")
    assert "the runner was killed (signal 9)" in shown
    os.close(ours)
    os.close(theirs)


def test_ctrl_c_on_the_terminal_is_one_request_and_reaches_neither_runner_nor_agent(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    agent = "trap 'touch hit' INT; echo ready; until [ -e over ]; do sleep 0.02; echo more; done; exit 4"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", GUARDED, str(folder), agent])
    level = Path(f"{folder}.level")
    wait_until(lambda: level.exists() and level.read_text() == "NONE")
    os.write(terminal, b"\x03")
    wait_until(lambda: level.read_text() == "DRAIN")
    (folder / "over").touch()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    assert level.read_text() == "DRAIN"
    assert not (folder / "hit").exists()
    os.close(terminal)
