"""`[workers] remote`: commits lie there between runner and worker, and nothing depends on it (SPEC 14)."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest

from pitboss.git.errors import GitError
from pitboss.git.repo import Repo
from pitboss.workers import depot
from pitboss.workers.depot import Depot
from pitboss.workers.remote_leftovers import RemoteLeftovers
from tests.support.cli import Project, wait_until

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20261126T113855Z-c205"
BASE = f"refs/pitboss/base/{RUN}"
RESULT = f"refs/pitboss/result/{RUN}"


class Sides:
    """A runner's repository, a worker's clone, and the remote that both reach."""

    def __init__(self, folder: Path) -> None:
        self.project = Project.create(folder / "home")
        self.bare = folder / "remote.git"
        self.project.git("init", "-q", "--bare", str(self.bare))
        self.project.git("init", "-q", str(folder / "away"))
        self.home, self.away = (Repo.discover(folder / name) for name in ("home", "away"))
        self.url = f"file://{self.bare}"

    def depot(self, repo: Repo, url: str | None = None, *, quiet_s: float = 60.0) -> Depot:
        return Depot(repo, url or self.url, RUN, quiet_s=quiet_s)

    def tip(self) -> str:
        return self.home.line("rev-parse", "HEAD")

    def grow(self, name: str) -> str:
        self.project.write(f"{name}.txt", name)
        self.project.commit(name)
        return self.tip()

    def refs(self) -> dict[str, str]:
        listed = self.project.git("ls-remote", str(self.bare)).splitlines()
        return {ref: oid for oid, ref in (line.split("\t") for line in listed)}

    def hook(self, name: str, script: str) -> None:
        path = self.bare / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    return Sides(tmp_path)


def test_a_commit_goes_there_and_comes_from_there_and_nothing_stays(sides: Sides) -> None:
    here, there, first = sides.depot(sides.home), sides.depot(sides.away), sides.tip()
    assert here.offer(first, sides.tip) == BASE
    assert there.bring(BASE, first)
    made = sides.away.commit_tree(f"{first}^{{tree}}", parent=first, message="work")
    beside = sides.away.commit_tree(f"{first}^{{tree}}", parent=first, message="beside")
    refs = there.leave(3, 1, made, [beside])
    assert refs == (f"{RESULT}/3-1", f"{RESULT}/3-1-partial")
    assert here.collect(refs, [made, beside])
    assert sides.home.commit_id(beside) == beside
    here.forget(refs)
    assert sides.refs().keys() == {BASE, *refs}
    here.close()
    assert sides.refs() == {}
    assert (here.trouble, there.trouble) == (None, None)


def test_what_sessions_begin_from_never_goes_back(sides: Sides) -> None:
    here, first = sides.depot(sides.home), sides.tip()
    second = sides.grow("second")
    assert here.offer(second, lambda: second) == here.offer(first, lambda: second) == BASE
    assert sides.refs() == {BASE: second}
    assert sides.depot(sides.away).bring(BASE, first)


def test_what_a_lost_worker_left_is_found_by_the_next_process(sides: Sides) -> None:
    first = sides.tip()
    sides.depot(sides.home).offer(first, sides.tip)
    there = sides.depot(sides.away)
    there.bring(BASE, first)
    made = sides.away.commit_tree(f"{first}^{{tree}}", parent=first, message="work")
    there.leave(3, 1, None, [made])
    there.leave(31, 1, first, [])
    here = sides.depot(sides.home)
    (found,) = here.find(3).items()
    assert (found[0], found[1][0].partial, found[1][1]) == (f"{RESULT}/3-1-partial", True, made)
    assert sides.home.commit_id(made) == made
    assert {name.seq for name, _ in here.find().values()} == {3, 31}


def test_a_remote_that_refuses_is_left_alone_for_a_while(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides.hook("pre-receive", "echo not today >&2; exit 1")
    here = sides.depot(sides.home)
    assert here.offer(sides.tip(), sides.tip) is None
    assert "pre-receive hook declined" in str(here.trouble)
    (sides.bare / "hooks/pre-receive").unlink()
    assert here.offer(sides.tip(), sides.tip) is None
    monkeypatch.setattr(depot, "REST_S", 0.0)
    again = sides.depot(sides.home)
    assert again.offer(sides.tip(), sides.tip) == BASE


def test_a_ref_that_does_not_reach_the_commit_is_no_silent_failure(sides: Sides) -> None:
    here, there = sides.depot(sides.home), sides.depot(sides.away)
    here.offer(sides.tip(), sides.tip)
    assert not there.bring(BASE, "1" * 40)
    assert there.trouble == f"it does not have {'1' * 40}"
    assert there.bring(BASE, sides.tip())


def test_a_success_does_not_hide_why_the_remote_is_left_alone(sides: Sides) -> None:
    begun, go_on = sides.bare / "begun", sides.bare / "go-on"
    sides.hook("pre-receive", f"touch {begun}; while [ ! -e {go_on} ]; do sleep 0.05; done")
    here = sides.depot(sides.home)
    offers: list[str | None] = []
    offering = Thread(target=lambda: offers.append(here.offer(sides.tip(), sides.tip)))
    offering.start()
    wait_until(begun.exists)
    assert not here.bring(RESULT, "1" * 40)
    go_on.touch()
    offering.join()
    assert offers == [BASE]
    assert not here.bring(BASE, "1" * 40)
    assert "couldn't find remote ref" in str(here.trouble)


def test_a_remote_that_hangs_is_borne_for_so_long(sides: Sides) -> None:
    sides.hook("pre-receive", "exec sleep 1000")
    here = sides.depot(sides.home, quiet_s=1.0)
    assert here.offer(sides.tip(), sides.tip) is None
    assert "no sign of life for 1 s" in str(here.trouble)
    assert sides.refs() == {}


def test_a_remote_that_is_gone_brings_and_finds_nothing(sides: Sides) -> None:
    sides.bare.rename(sides.bare.with_name("elsewhere.git"))
    here = sides.depot(sides.home)
    assert here.find() == {}
    assert "does not appear to be a git repository" in str(here.trouble)
    assert not sides.depot(sides.away).bring(BASE, sides.tip())
    assert sides.depot(sides.home).leave(1, 1, sides.tip(), []) == ()
    assert sides.depot(sides.home).collect([BASE], [sides.tip()])  # which is here


def test_a_ref_that_has_changed_since_somebody_looked_is_not_deleted(sides: Sides) -> None:
    there = sides.depot(sides.home)
    there.leave(1, 1, None, [sides.tip()])
    seen = RemoteLeftovers(sides.home, sides.url, quiet_s=60.0)
    later = sides.grow("later")
    there.leave(1, 1, None, [later])
    with pytest.raises(GitError):
        seen.remove(RUN, seen.of(RUN), ())
    assert sides.refs() == {f"{RESULT}/1-1-partial": later}
