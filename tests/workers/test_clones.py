"""What a worker keeps in memory of the runs in its clones, and for how long (SPEC 14)."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from pitboss import proctree
from pitboss.core.config import Config
from pitboss.core.session import Assignment
from pitboss.git.errors import NotARepository
from pitboss.workers.clones import Clones
from pitboss.workers.messages import Begin
from tests.support.cli import PATIENCE_S

if TYPE_CHECKING:
    from pitboss.workers.run_here import RunHere


@pytest.fixture
def clones(tmp_path: Path) -> Clones:
    return Clones(tmp_path / "repositories", (), lambda _: False)


def begin(run_id: str = "20260101T000000Z-abcd") -> Begin:
    session = Assignment(
        seq=1,
        prompt="alpha",
        rotation=1,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        base_commit="1" * 40,
        worktree="worktrees/slot-1",
        branch="session-0001",
        agent="shell",
    )
    return Begin(
        run_id=run_id,
        attempt=1,
        assignment=session,
        repository="shop-0123",
        object_format="sha1",
        config=Config(),
        lost_after_s=60.0,
    )


def commit(run: RunHere) -> None:
    """Have a git process started that is kept running."""
    tree = run.repo.git("hash-object", "-w", "-t", "tree", "--stdin").decode().strip()
    first = run.repo.git("commit-tree", "--no-gpg-sign", tree, stdin=b"first").decode().strip()
    run.repo.commit_tree(tree, parent=first, message="second")


def kept_running() -> list[str]:
    """The git programs below this process."""
    found: list[str] = []
    for pid in proctree.descendants(os.getpid()):
        with suppress(OSError):  # it has gone meanwhile
            found.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
    return [line for line in found if "hash-object" in line]


def test_git_processes_of_a_run_end_once_it_had_no_session_for_a_while(clones: Clones) -> None:
    before = kept_running()
    with clones.run(begin()) as run:
        commit(run)
        clones.rest(idle_s=0.0)
        assert len(kept_running()) == len(before) + 1  # it is in use
    clones.rest()
    assert len(kept_running()) == len(before) + 1  # it was a moment ago
    clones.rest(idle_s=0.0)
    assert kept_running() == before
    with clones.run(begin()) as again:
        assert again is not run
        commit(again)
    clones.rest(idle_s=0.0)


def test_sessions_that_begin_together_do_not_each_ask_git_for_what_is_not_there(
    clones: Clones, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    with clones.run(begin()) as run:
        run.repo.pinned["GIT_TRACE2_EVENT"] = str(asked)
        assert run.has("1" * 40) == ()
        starts = asked.read_text().count('"event":"start"')
        assert (run.has("1" * 40), asked.read_text().count('"event":"start"')) == ((), starts)
        commit(run)
        tip = run.repo.commit_tree(
            run.repo.git("write-tree").decode().strip(), parent="1" * 40, message="new"
        )
        run.know(tip, is_new=True)
        assert run.has("1" * 40) == (tip,)
        run.rest()


def test_sessions_wait_while_the_clones_are_unused_and_they_are_not_while_one_is_there(
    clones: Clones,
) -> None:
    with clones.run(begin()), clones.unused() as unused:
        assert not unused
        with clones.run(begin("20260102T000000Z-abcd")):
            pass
    came: list[RunHere] = []

    def come() -> None:
        with clones.run(begin()) as run:
            came.append(run)

    with clones.unused() as unused:
        assert unused
        thread = Thread(target=come, daemon=True)
        thread.start()
        assert came == []
    thread.join(PATIENCE_S)
    assert len(came) == 1


def test_the_name_of_a_clone_leads_nowhere_else(clones: Clones) -> None:
    for name in ("../elsewhere", ".hidden", "a/b", ""):
        asked = replace(begin(), repository=name)
        with pytest.raises(ValueError, match="not the name of a clone"), clones.run(asked):
            pass


def damage(clone: Path, what: str) -> None:
    git = clone / ".git"
    match what:
        case "HEAD":
            (git / "HEAD").write_text("")
        case "config":
            (git / "config").write_text("[[[")
        case "objects" | "refs":
            shutil.rmtree(git / what)
        case _:
            shutil.rmtree(git)
            git.write_text("no folder\n")


@pytest.mark.parametrize("what", ["HEAD", "config", "objects", "refs", "all"])
def test_a_clone_that_git_cannot_read_is_put_aside_and_there_is_a_new_one(
    clones: Clones, what: str, tmp_path: Path
) -> None:
    with clones.run(begin()) as run:
        commit(run)
        (run.repo.root / "work.txt").write_text("only here\n")
    clone = tmp_path / "repositories" / "shop-0123"
    damage(clone, what)
    with clones.run(begin("20260102T000000Z-abcd")) as run:
        commit(run)
        assert not (clone / "work.txt").exists()
        assert (clone / ".git" / "pitboss-settings").exists()
    assert (tmp_path / "damaged" / "shop-0123-1" / "work.txt").read_text() == "only here\n"
    clones.rest(0.0)


def test_a_damaged_clone_in_which_work_waits_stays_where_it_is(tmp_path: Path) -> None:
    clones = Clones(tmp_path / "repositories", (), lambda name: name == "shop-0123")
    with clones.run(begin()):
        pass
    damage(tmp_path / "repositories" / "shop-0123", "HEAD")
    with pytest.raises(NotARepository), clones.run(begin("20260102T000000Z-abcd")):
        pass
    assert not (tmp_path / "damaged").exists()
    clones.rest(0.0)


def test_a_suspected_clone_makes_way_once_a_run_as_soon_as_nobody_uses_it(
    clones: Clones, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    with clones.run(begin()) as run:
        assert run.suspect()
        with clones.run(begin()) as same:
            assert same is run
            assert same.suspect()
    assert not damaged.exists()
    with clones.run(begin()) as new:
        assert new is not run
        assert not new.suspect()
    with clones.run(begin()) as same:
        assert same is new
    assert [path.name for path in damaged.iterdir()] == ["shop-0123-1"]
    clones.rest(0.0)
