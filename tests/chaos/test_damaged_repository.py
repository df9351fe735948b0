"""A repository that something happened to: branches gone, locks left, worktrees half made (SPEC 7)."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pitboss import proctree
from tests.chaos.checks import records_of
from tests.chaos.trial import AGENT_ENDED, FINISHED, LANDED, OUTCOME_WRITTEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.crash import Moment
    from tests.chaos.trial import Trial, Trials


DIRTY = "the working tree has uncommitted changes that no session made"
PUT_AWAY = "put them away with `git stash -u`, then resume"


def said(message: str, hint: str) -> str:
    return f"error: {message}\nhint: {hint}\n"


class TestARunBranchThatIsGone:
    def test_is_made_again_at_the_last_recorded_commit(self, paused: Trial) -> None:
        tip = paused.git("rev-parse", paused.branch)
        paused.git("branch", "-D", paused.branch)
        shown = paused.repair("--dry-run")
        assert shown.stdout == f"recreate the run branch {paused.branch} at {tip[:7]}\n"
        assert paused.wrong() == []
        assert tip in paused.git("rev-list", paused.branch)

    def test_under_head_is_made_again_and_no_file_changes(self, paused: Trial) -> None:
        paused.git("switch", "-q", paused.branch)
        paused.git("update-ref", "-d", f"refs/heads/{paused.branch}")
        assert paused.wrong() == []

    @pytest.mark.parametrize("name", ["readme.txt", "new.txt"])
    def test_under_head_is_not_made_again_over_the_users_changes(self, paused: Trial, name: str) -> None:
        paused.git("switch", "-q", paused.branch)
        paused.git("update-ref", "-d", f"refs/heads/{paused.branch}")
        (paused.repo / name).write_text("the user's own words\n")
        before = paused.picture()
        refused = paused.resume()
        assert (refused.code, refused.stderr) == (4, said(DIRTY, PUT_AWAY))
        assert paused.picture() == before

    def test_before_any_commit_it_begins_where_the_run_began(self, fresh: Trial) -> None:
        assert fresh.pitboss("grind", "--max-iterations", "0").code == 3
        fresh.git("branch", "-D", fresh.branch)
        assert fresh.wrong() == []

    def test_together_with_its_commits_is_refused(self, paused: Trial) -> None:
        tip = paused.git("rev-parse", paused.branch)
        paused.git("branch", "-D", paused.branch)
        paused.git("reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
        for ref in paused.git("for-each-ref", "--format=%(refname)", "refs/pitboss").split():
            paused.git("update-ref", "-d", ref)
        paused.git("gc", "-q", "--prune=now")
        before = paused.picture()
        refused = paused.resume()
        assert (refused.code, refused.stderr) == (
            4,
            said(
                f"the run branch {paused.branch} is gone, and so is its last recorded commit {tip[:7]}",
                f"`git branch {paused.branch} COMMIT` puts it back; `git reflog` may know the commit",
            ),
        )
        assert paused.picture() == before


class TestLocksOfGit:
    @pytest.mark.parametrize(
        "name", ["index.lock", "HEAD.lock", "packed-refs.lock", "refs/heads/{branch}.lock"]
    )
    def test_of_a_dead_git_are_removed(self, trials: Trials, tmp_path: Path, name: str) -> None:
        crashed = trials.crashed(tmp_path / "place", OUTCOME_WRITTEN)
        lock = crashed.repo / ".git" / name.format(branch=crashed.branch)
        lock.write_bytes(b"half an index")
        shown = crashed.repair("--dry-run").stdout.splitlines()
        assert f"remove locks of a dead git: {lock}" in shown
        assert lock.exists()
        assert crashed.wrong(crashes=1) == []

    def test_of_a_live_git_are_waited_for_then_refused_and_left(self, paused: Trial) -> None:
        lock = paused.repo / ".git/index.lock"
        lock.write_bytes(b"")
        with lock.open("rb") as held, live_git(paused, held.fileno()):
            refused = paused.resume()
            assert (refused.code, refused.stderr.splitlines()[-1]) == (
                4,
                "hint: wait for it to end, or end it, then try again",
            )
            assert "index.lock is held: git is at work in" in refused.stderr
            assert lock.exists()
        assert paused.wrong() == []


def live_git(trial: Trial, descriptor: int) -> subprocess.Popen[bytes]:
    """A git that is at work in the repository until it is killed: `cat-file` waits for what to show."""
    return KilledOnExit(
        ["git", "cat-file", "--batch"], cwd=trial.repo, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


class KilledOnExit(subprocess.Popen[bytes]):
    """A process that is killed at the end of its `with`."""

    def __exit__(self, *args: object) -> None:
        self.kill()
        super().__exit__(*args)  # type: ignore[arg-type]


class TestAPowerCut:
    """Git syncs no object that `git add` writes: its file may be there without content."""

    @pytest.mark.parametrize("moment", [AGENT_ENDED, OUTCOME_WRITTEN])
    def test_that_leaves_an_object_empty_costs_no_file_of_the_tree(
        self, trials: Trials, tmp_path: Path, moment: Moment
    ) -> None:
        crashed = trials.crashed(tmp_path / "place", moment)
        content = (crashed.repo / "g.txt").read_bytes()
        emptied = self.empty(crashed)
        line = f"remove empty files among git's objects: {emptied}"
        assert line in crashed.repair("--dry-run").stdout.splitlines()
        assert emptied.exists()
        assert crashed.wrong(crashes=1) == []
        record = records_of(crashed)[2]
        assert (record["status"], self.kept(crashed, record)) == (
            "aborted" if moment == AGENT_ENDED else "ok",
            content,
        )

    @pytest.mark.parametrize("moment", [AGENT_ENDED, OUTCOME_WRITTEN, LANDED])
    def test_that_leaves_the_run_branch_empty_is_made_good_with_the_work_in_the_tree(
        self, trials: Trials, tmp_path: Path, moment: Moment
    ) -> None:
        crashed = trials.crashed(tmp_path / "place", moment)
        (crashed.repo / ".git/refs/heads" / crashed.branch).write_bytes(b"")
        assert crashed.wrong(crashes=1) == []

    @pytest.mark.parametrize("content", [b"", b"\0" * 41])
    def test_that_leaves_the_run_branch_empty_between_sessions_costs_nothing(
        self, paused: Trial, content: bytes
    ) -> None:
        paused.git("switch", "-q", paused.branch)
        (paused.repo / ".git/refs/heads" / paused.branch).write_bytes(content)
        assert paused.wrong() == []

    def test_that_leaves_the_index_empty_is_refused_with_the_command_that_makes_it_good(
        self, trials: Trials, tmp_path: Path
    ) -> None:
        crashed = trials.crashed(tmp_path / "place", AGENT_ENDED)
        (crashed.repo / ".git/index").write_bytes(b"")
        refused = crashed.resume()
        command = refused.stderr.splitlines()[-1].split("`")[1]
        assert (refused.code, command[:3]) == (4, "rm ")
        subprocess.run(["sh", "-c", command], cwd=crashed.repo, env=crashed.environment(), check=True)
        assert crashed.wrong(crashes=1) == []

    def empty(self, trial: Trial) -> Path:
        trial.git("add", "g.txt")
        blob = trial.git("rev-parse", ":g.txt")
        emptied = trial.repo / ".git/objects" / blob[:2] / blob[2:]
        emptied.chmod(0o644)
        emptied.write_bytes(b"")
        return emptied

    def kept(self, trial: Trial, record: dict[str, Any]) -> bytes:
        revision = record["commit"] or record["rescue"][0]
        return f"{trial.git('show', f'{revision}:g.txt')}\n".encode()


class TestLeftoversOfParallelSessions:
    def test_a_worktree_with_dirty_work_is_rescued_then_removed_with_its_branch(self, paused: Trial) -> None:
        branch = f"{paused.branch}-session-0009"
        folder = paused.run / "worktrees/session-0009"
        paused.git("worktree", "add", "-q", "-b", branch, str(folder), "HEAD")
        (folder / "precious.txt").write_text("never committed\n")
        blob = paused.git("hash-object", str(folder / "precious.txt"))
        assert paused.resume().code == FINISHED
        self.check_gone(paused, branch, folder)
        assert blob in self.rescued(paused, 9)

    def test_commits_of_a_session_branch_are_rescued(self, paused: Trial) -> None:
        branch = f"{paused.branch}-session-0009"
        tree = paused.git("rev-parse", "HEAD^{tree}")
        commit = paused.git(
            "-c", "user.name=a", "-c", "user.email=a@local", "commit-tree", "-p", "HEAD", "-m", "work", tree
        )
        paused.git("branch", branch, commit)
        assert paused.resume().code == FINISHED
        self.check_gone(paused, branch, paused.run / "worktrees/none")
        assert commit in self.rescued(paused, 9)

    def test_a_half_made_worktree_that_git_does_not_know_is_rescued_then_removed(self, paused: Trial) -> None:
        folder = paused.run / "worktrees/session-0009"
        folder.mkdir(parents=True)
        (folder / "readme.txt").write_text("hello\n")
        (folder / "precious.txt").write_text("half checked out\n")
        blob = paused.git("hash-object", str(folder / "precious.txt"))
        assert paused.resume().code == FINISHED
        self.check_gone(paused, "none", folder)
        assert blob in self.rescued(paused, 9)

    def test_a_worktree_whose_folder_is_gone_is_forgotten(self, paused: Trial) -> None:
        folder = paused.run / "worktrees/session-0009"
        paused.git("worktree", "add", "-q", "--detach", str(folder), "HEAD")
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink()
        folder.rmdir()
        assert paused.wrong() == []

    def check_gone(self, trial: Trial, branch: str, folder: Path) -> None:
        assert not folder.exists()
        assert len(trial.git("worktree", "list").splitlines()) == 1
        assert branch not in trial.git("branch", "--format=%(refname:short)").split()

    def rescued(self, trial: Trial, seq: int) -> set[str]:
        refs = f"refs/pitboss/rescue/{trial.run.name}/session-{seq:04}*"
        return {line.split()[0] for line in trial.git("rev-list", "--objects", f"--glob={refs}").splitlines()}


class TestTheUsersTree:
    def test_with_changes_and_no_session_in_flight_is_refused_and_untouched(self, paused: Trial) -> None:
        (paused.repo / "readme.txt").write_text("the user's own words\n")
        (paused.repo / "new.txt").write_text("the user's new file\n")
        before = paused.picture()
        refused = paused.resume()
        assert (refused.code, refused.stderr) == (
            4,
            said(DIRTY, PUT_AWAY),
        )
        assert paused.picture() == before

    @pytest.mark.parametrize("moment", [AGENT_ENDED, OUTCOME_WRITTEN, LANDED])
    def test_with_the_work_of_a_session_in_flight_is_not_mistaken_for_the_users(
        self, trials: Trials, tmp_path: Path, moment: Moment
    ) -> None:
        crashed = trials.crashed(tmp_path / "place", moment)
        assert crashed.repair().code == 0
        statuses = [record["status"] for record in records_of(crashed)]
        assert statuses == ["ok", "error", "aborted" if moment == AGENT_ENDED else "ok"]
        assert crashed.wrong(crashes=1) == []


class TestProcessesOfTheDeadRun:
    def in_flight(self, trial: Trial, pid: int, started: int) -> None:
        """Make the dead run's third session claim this process."""
        (session,) = trial.state()["in_flight"]
        trial.change_state(in_flight=[session | {"pid": pid, "pid_started": started}])

    def test_one_that_matches_pid_and_start_time_is_stopped(self, trials: Trials, tmp_path: Path) -> None:
        crashed = trials.crashed(tmp_path / "place", AGENT_ENDED)
        with KilledOnExit([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as left:
            self.in_flight(crashed, left.pid, start_time(left.pid))
            assert f"stop process {left.pid}, left over from session 3" in crashed.repair("--dry-run").stdout
            assert left.poll() is None
            assert crashed.wrong(crashes=1) == []
            assert left.wait(5) < 0

    def test_one_that_only_has_the_same_pid_is_never_touched(self, trials: Trials, tmp_path: Path) -> None:
        crashed = trials.crashed(tmp_path / "place", AGENT_ENDED)
        with KilledOnExit([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
            self.in_flight(crashed, stranger.pid, start_time(stranger.pid) - 1)
            assert crashed.wrong(crashes=1) == []
            assert stranger.poll() is None


def start_time(pid: int) -> int:
    found = proctree.start_time(pid)
    assert found is not None
    return found
