"""What surrounds a run turns against it: a read-only directory, a clock set back, a runner killed at its work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.chaos.checks import records_of
from tests.chaos.crash import runner_of
from tests.chaos.scenario import build
from tests.chaos.trial import AGENT_ENDED, OUTCOME_WRITTEN
from tests.support.cli import PATIENCE_S, wait_until
from tests.support.disk import LIKE_ANYBODY
from tests.support.processes import FIVE_NAMES, FIVE_PROCESSES, alive, pids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.crash import Moment
    from tests.chaos.scenario import Place
    from tests.chaos.trial import Trial, Trials

WHOSE = "check who owns the files under .pitboss and their permissions"
REMOUNT = "the file system is mounted read-only: remount it writable"


@pytest.fixture
def without_write_permission(paused: Trial) -> Iterator[Trial]:
    folders = [path for path in (paused.run, *paused.run.rglob("*")) if path.is_dir()]
    if os.getuid() == 0:
        paused.prefix = LIKE_ANYBODY
    for folder in folders:
        folder.chmod(0o555)
    yield paused
    for folder in folders:
        folder.chmod(0o755)


@pytest.fixture
def mounted_read_only(paused: Trial) -> Iterator[Trial]:
    for how in (["--bind", str(paused.run)], ["-o", "remount,bind,ro"]):
        mounted = subprocess.run(["mount", *how, paused.run], capture_output=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(
                f"mounting is not allowed here, modes stand in for it: {mounted.stderr.decode().strip()}"
            )
    yield paused
    subprocess.run(["umount", "--lazy", paused.run], capture_output=True, check=False)


class TestAReadOnlyRunDirectory:
    def test_by_its_mode_is_refused_with_a_hint_and_nothing_changes(
        self, without_write_permission: Trial
    ) -> None:
        self.check_refused(without_write_permission, "Permission denied", WHOSE)

    def test_by_its_mount_is_refused_with_a_hint_and_nothing_changes(self, mounted_read_only: Trial) -> None:
        self.check_refused(mounted_read_only, "Read-only file system", REMOUNT)

    def test_that_can_be_written_again_lets_the_run_go_on(self, without_write_permission: Trial) -> None:
        assert without_write_permission.resume().code == 70
        for folder in (without_write_permission.run, *without_write_permission.run.iterdir()):
            folder.chmod(0o755 if folder.is_dir() else 0o644)
        assert without_write_permission.wrong() == []

    def check_refused(self, trial: Trial, reason: str, hint: str) -> None:
        before = trial.picture()
        refused = trial.resume()
        assert refused.code == 70, refused
        error, told = refused.stderr.splitlines()[-2:]
        assert error.startswith(f"error: cannot write {trial.run}/")
        assert (error.rpartition(": ")[2], told) == (reason, f"hint: {hint}")
        assert trial.picture() == before


def later(moment: str) -> str:
    return (datetime.fromisoformat(moment) + timedelta(days=400)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("moment", [AGENT_ENDED, OUTCOME_WRITTEN], ids=["cut short", "ended"])
def test_a_clock_that_was_set_back_changes_no_order_and_makes_no_negative_duration(
    trials: Trials, tmp_path: Path, moment: Moment
) -> None:
    """All that the dead run wrote lies in the future of the one that goes on."""
    crashed = trials.crashed(tmp_path / "place", moment)
    set_forward(crashed)
    assert crashed.wrong(crashes=1) == []
    records = records_of(crashed)
    assert all(record["ended_at"] >= record["started_at"] for record in records)
    assert records[2]["ended_at"] >= records[1]["ended_at"]


def set_forward(trial: Trial) -> None:
    records = [r | {n: later(r[n]) for n in ("started_at", "ended_at")} for r in records_of(trial)]
    trial.records.write_text("".join(json.dumps(record) + "\n" for record in records))
    (session,) = trial.state()["in_flight"]
    session["started_at"] = later(session["started_at"])
    if session.get("outcome"):
        session["outcome"]["ended_at"] = later(session["outcome"]["ended_at"])
    times = {name: later(trial.state()[name]) for name in ("started_at", "last_updated_at")}
    trial.change_state(**times, in_flight=[session])


class TestARunnerThatIsKilled:
    """Its guardian ends what it leaves: children, sessions of their own, daemons, scrubbed environments."""

    @pytest.mark.parametrize("where", ["agent", "hook", "test"])
    def test_leaves_nothing_behind_and_the_run_goes_on(self, tmp_path: Path, where: str) -> None:
        place = build(tmp_path / "place", ("e-breaks-tests",))
        marks = tmp_path / "marks"
        marks.mkdir()
        working, lingering = self.scripts(place, marks)
        self.configure(place, where, lingering)
        with subprocess.Popen(
            [sys.executable, "-m", "pitboss", "grind"],
            cwd=place.repo,
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as guardian:
            wait_until(lambda: set(pids(marks)) == set(FIVE_NAMES))
            runner = runner_of(guardian.pid)
            assert runner is not None
            os.kill(runner, signal.SIGKILL)
            wait_until(lambda: not alive(marks))
            _, said = guardian.communicate(timeout=PATIENCE_S)
        assert (guardian.returncode, b"goes on from where it stopped" in said) == (70, True)
        self.configure(place, where, working)
        assert place.pitboss("grind", "--resume").code == 0
        (record,) = records_of(place)
        assert record["status"] == ("ok" if where == "test" else "aborted")

    def scripts(self, place: Place, marks: Path) -> tuple[str, str]:
        lingering = place.root / "lingering.sh"
        lingering.write_text(FIVE_PROCESSES)
        return "true", f"sh {lingering} {marks}"

    def configure(self, place: Place, where: str, command: str) -> None:
        commands = dict.fromkeys(("agent", "hook", "test"), "true") | {where: command}
        (place.repo / ".pitboss/config.toml").write_text(
            f'''
[agent]
backend = "command"
[agent.command]
command = ["sh", "-c", "{commands["agent"]}"]
[tests]
command = "{commands["test"]}"
[grind.hooks]
pre_session = "{commands["hook"]}"
'''
        )
