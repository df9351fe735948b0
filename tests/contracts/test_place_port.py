"""What the engine may count on of any place: in the user's tree, a slot, on a worker, in memory (SPEC 1.2, 6, 14)."""

from __future__ import annotations

import gc
import os
import subprocess
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Protocol, cast

import pytest

from pitboss.core.config import Config, GrindSettings, WorktreeSettings
from pitboss.core.diff_stat import DiffStat
from pitboss.core.run import RunState, build_state
from pitboss.core.session import Assignment, Landing
from pitboss.git.repo import Repo
from pitboss.landing.git_trouble import RepositoryMonitor
from pitboss.landing.guard import Guard
from pitboss.landing.in_memory import ROOT, InMemoryPlaces, Memory
from pitboss.landing.places import GitPlaces
from pitboss.landing.refs import run_branch
from pitboss.landing.rescue_refs import list_rescued
from pitboss.landing.resilient import ResilientPlaces
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.store.paths import RunPaths
from pitboss.workers.begun import BegunAttempts
from pitboss.workers.tidying import RUN_IDLE_S, tidy_worker
from tests.support.cli import wait_until
from tests.support.one_worker import OneWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.engine.ports import Place, Places

RUN = "20260101T000000Z-abcd"
SLOT_SETTINGS = WorktreeSettings(setup="played by the suite")
FILES = {"one.txt": "one\n", "two.txt": "two\n"}
SETUP = """
git init -q -b main --template= . && git config user.name Somebody && git config user.email some@body
printf one'\\n' > one.txt && printf two'\\n' > two.txt && git add -A && git commit -qm first
"""


class AtPath(Protocol):
    """A place that says where its tree is, as all real ones do; the port does not."""

    @property
    def path(self) -> str: ...


class World(Protocol):
    """A repository with a run in it, whose process may be replaced by a new one."""

    in_slot: bool

    def opened(self) -> Places:
        """The run's places, as a new process opens them."""
        ...

    def tree(self, place: Place) -> str:
        """Where a place's tree is."""
        ...

    def note(self, places: Places, session: Assignment) -> None:
        """A session is about to begin there."""
        ...

    def close(self) -> None:
        """The test is over."""
        ...

    def files(self, place: Place) -> dict[str, str]:
        """What is in a place."""
        ...

    def write(self, place: Place, files: dict[str, str]) -> None:
        """Work there."""
        ...

    def landed(self) -> dict[str, str]:
        """The files on the run branch."""
        ...

    def landings(self) -> int:
        """How many commits the run branch has beyond where the run began."""
        ...

    def shown(self) -> dict[str, str]:
        """The files in the user's checkout."""
        ...

    def kept(self, ref: str) -> dict[str, str]:
        """The files under a rescue ref."""
        ...

    def lose(self, branch: str) -> None:
        """Delete a branch, as an agent may."""
        ...


class InGit:
    """A real repository, and the places that a real run has."""

    def __init__(self, root: Path, *, in_slot: bool) -> None:
        self.in_slot = in_slot
        self.root = root
        root.mkdir()
        subprocess.run(["sh", "-ec", SETUP], cwd=root, check=True, capture_output=True)
        (root / ".git/info").mkdir(exist_ok=True)
        (root / ".git/info/exclude").write_text(".pitboss/\n")
        self.git("branch", run_branch(RUN))
        self.git("branch", "start")

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.root, check=True, capture_output=True)
        return done.stdout.decode()

    def opened(self) -> Places:
        repo = Repo.discover(self.root)
        paths = RunPaths(self.root, RUN)
        paths.root.mkdir(parents=True, exist_ok=True)
        branch = RunBranch(repo, run_branch(RUN), checked_out=True)
        guard = Guard(repo, paths.root)
        guard.begin()
        places = GitPlaces(Site(repo=repo, branch=branch, paths=paths, worktree=SLOT_SETTINGS))
        monitor = RepositoryMonitor(places, guard, lambda _: None, lambda: False)
        home = ResilientPlaces(places, monitor, Noted())
        opened = self.seen_by_runs(home, monitor, repo, branch)
        opened.open()
        return opened

    def seen_by_runs(
        self, home: ResilientPlaces, monitor: RepositoryMonitor, repo: Repo, branch: RunBranch
    ) -> Places:
        """What a run has of its places at home."""
        del monitor, repo, branch
        return home

    def tree(self, place: Place) -> str:
        return cast("AtPath", place).path

    def note(self, places: Places, session: Assignment) -> None:
        pass

    def close(self) -> None:
        pass

    def files(self, place: Place) -> dict[str, str]:
        return self._files(self.tree(place))

    def shown(self) -> dict[str, str]:
        return self._files(str(self.root))

    def _files(self, root: str) -> dict[str, str]:
        found = {}
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in (".git", ".pitboss")]
            for name in names:
                path = Path(folder, name)
                found[str(path.relative_to(root))] = path.read_text()
        found.pop(".git", None)
        return found

    def write(self, place: Place, files: dict[str, str]) -> None:
        for name, text in files.items():
            Path(self.tree(place), name).write_text(text)

    def landed(self) -> dict[str, str]:
        return self._at(run_branch(RUN))

    def landings(self) -> int:
        return len(self.git("rev-list", f"start..{run_branch(RUN)}").split())

    def kept(self, ref: str) -> dict[str, str]:
        return self._at(ref)

    def lose(self, branch: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def _at(self, commit: str) -> dict[str, str]:
        names = self.git("ls-tree", "-r", "--name-only", commit).split()
        return {name: self.git("cat-file", "blob", f"{commit}:{name}") for name in names}


class OnWorker(InGit):
    """The places of a run whose sessions work on a worker."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, in_slot=True)
        self._worker = OneWorker(root.parent / "worker", os.environ)
        self._begun: list[tuple[Places, Assignment]] = []

    def seen_by_runs(
        self, home: ResilientPlaces, monitor: RepositoryMonitor, repo: Repo, branch: RunBranch
    ) -> Places:
        config = Config(grind=GrindSettings(worktree=SLOT_SETTINGS))
        return self._worker.places(home, monitor, repo, branch, RunPaths(self.root, RUN), config)

    def note(self, places: Places, session: Assignment) -> None:
        self._begun.append((places, session))

    def tree(self, place: Place) -> str:
        (session,) = (session for places, session in self._begun if places.at(session) is place)
        return str(self._worker.tree(session))

    def close(self) -> None:
        self._worker.close()


class Noted:
    """Where the run notes whose work could not be rescued: that never happens here."""

    state: RunState = build_state(
        run_id=RUN,
        branch=run_branch(RUN),
        plan_name="default",
        prompt_names=("alpha",),
        now=datetime.now(UTC),
        base_commit=None,
    )

    def unrescued(self, seq: int) -> None:
        raise AssertionError(f"the work of session {seq} was not rescued")

    def rescued(self, seq: int) -> None:
        pass


class ToldInMemory:
    """The same without git."""

    def __init__(self, *, in_slot: bool) -> None:
        self.in_slot = in_slot
        self.memory = Memory(RUN, FILES)

    def opened(self) -> Places:
        return InMemoryPlaces(self.memory)

    def tree(self, place: Place) -> str:
        return cast("AtPath", place).path

    def note(self, places: Places, session: Assignment) -> None:
        pass

    def close(self) -> None:
        pass

    def files(self, place: Place) -> dict[str, str]:
        return dict(self.memory.trees[self.tree(place)])

    def write(self, place: Place, files: dict[str, str]) -> None:
        self.memory.trees[self.tree(place)].update(files)

    def landed(self) -> dict[str, str]:
        return self.memory.landed

    def shown(self) -> dict[str, str]:
        return self.memory.trees[ROOT]

    def landings(self) -> int:
        return len(self.memory.history(self.memory.tip)) - 1

    def kept(self, ref: str) -> dict[str, str]:
        return self.memory.commits[self.memory.rescued[ref]].files

    def lose(self, branch: str) -> None:
        del self.memory.branches[branch]


IN_PLACE: dict[str, Callable[[Path], World]] = {
    "git in place": lambda folder: InGit(folder / "repo", in_slot=False),
    "memory in place": lambda _: ToldInMemory(in_slot=False),
}
IN_SLOTS: dict[str, Callable[[Path], World]] = {
    "git in a slot": lambda folder: InGit(folder / "repo", in_slot=True),
    "memory in a slot": lambda _: ToldInMemory(in_slot=True),
}
ON_A_WORKER: dict[str, Callable[[Path], World]] = {"on a worker": lambda folder: OnWorker(folder / "repo")}
WORLDS = IN_PLACE | IN_SLOTS | ON_A_WORKER


def made(request: pytest.FixtureRequest, folder: Path) -> Iterator[World]:
    """The world that a test asks for."""
    world = WORLDS[request.param](folder)
    yield world
    world.close()


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from made(request, tmp_path)


@pytest.fixture(params=IN_SLOTS | ON_A_WORKER)
def slots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from made(request, tmp_path)


@pytest.fixture(params=ON_A_WORKER)
def on_a_worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from made(request, tmp_path)


@pytest.fixture(params=IN_PLACE | IN_SLOTS)
def at_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from made(request, tmp_path)


@pytest.fixture(params=IN_SLOTS)
def slots_at_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from made(request, tmp_path)


@pytest.fixture(params=IN_PLACE)
def in_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from made(request, tmp_path)


def session(world: World, places: Places, seq: int = 1) -> Assignment:
    assert places.has_room()
    where = places.reserve(seq, in_slot=world.in_slot)
    begun = Assignment(
        seq=seq,
        prompt="alpha",
        rotation=1,
        started_at=datetime.now(UTC),
        base_commit=where.base_commit,
        worktree=where.worktree,
        branch=where.branch,
        host=where.host,
    )
    world.note(places, begun)
    return begun


def message(seq: int) -> str:
    """As every landing has it: by the trailers a new process knows what has landed."""
    return f"work of {seq}\n\nPitboss-Run: {RUN}\nPitboss-Session: {seq}\nPitboss-Prompt: alpha\n"


def prepared(place: Place) -> Place:
    if not place.prepare():
        place.provision()
        place.provisioned()
    return place


def test_a_place_holds_the_files_of_where_its_session_begins(world: World) -> None:
    places = world.opened()
    place = prepared(places.at(session(world, places)))
    assert Path(world.tree(place)).is_absolute()
    assert world.files(place) == FILES


def test_a_session_has_one_place_until_it_is_released(world: World) -> None:
    places = world.opened()
    first = session(world, places)
    place = prepared(places.at(first))
    assert places.at(first) is place
    place.land(message(1))
    place.release()
    assert session(world, places, 2).worktree == first.worktree
    assert places.at(first) is not place


def test_the_place_of_a_session_that_does_not_begin_after_all_is_free_again(world: World) -> None:
    places = world.opened()
    first = session(world, places)
    places.withdraw(first)
    again = session(world, places)
    assert (again.worktree, again.branch) == (first.worktree, first.branch)
    place = prepared(places.at(again))
    place.land(message(1))
    place.release()
    assert session(world, places, 2).worktree == first.worktree


@pytest.mark.parametrize("ahead", [False, True])
def test_work_lands_as_one_commit(world: World, ahead: bool) -> None:
    places = world.opened()
    place = prepared(places.at(session(world, places)))
    world.write(place, {"one.txt": "1\n", "new.txt": "new\n"})
    if ahead:
        place.look_ahead()
    place.commit(message(1))
    with places.turn():
        landing = place.land(message(1))
    assert landing == Landing(commit=landing.commit)
    assert landing.commit is not None
    assert world.landed() == {**FILES, "one.txt": "1\n", "new.txt": "new\n"}
    assert world.landings() == 1


def test_the_user_s_checkout_follows_once_for_several_sessions_that_landed(slots: World) -> None:
    places = slots.opened()
    landed = []
    for seq in (1, 2):
        place = prepared(places.at(session(slots, places, seq)))
        slots.write(place, {f"new-{seq}.txt": "new\n"})
        place.commit(message(seq))
        with places.turn():
            landed.append((place, place.land(message(seq))))
    (first, at_first), (second, at_second) = landed

    assert first.follow(at_first) == at_first
    assert slots.shown() == slots.landed() == {**FILES, "new-1.txt": "new\n", "new-2.txt": "new\n"}
    assert second.follow(at_second) == at_second
    assert slots.shown() == slots.landed()


def test_what_lands_leaves_the_user_s_checkout_alone_until_it_follows(slots: World) -> None:
    places = slots.opened()
    place = prepared(places.at(session(slots, places)))
    slots.write(place, {"one.txt": "1\n"})
    landing = place.land(message(1))
    place.vacate(str(place.committed()))
    again = session(slots, places, 2)
    assert again.worktree is not None
    assert slots.files(prepared(places.at(again))) == slots.landed() == {**FILES, "one.txt": "1\n"}
    assert slots.shown() == FILES

    assert place.follow(landing) == landing
    assert slots.shown() == slots.landed()


def test_in_the_user_s_tree_there_is_nothing_to_follow(in_place: World) -> None:
    places = in_place.opened()
    place = prepared(places.at(session(in_place, places)))
    in_place.write(place, {"one.txt": "1\n"})
    landing = place.land(message(1))
    assert place.follow(landing) == landing
    assert in_place.shown() == in_place.landed() == {**FILES, "one.txt": "1\n"}


def test_it_is_known_how_much_of_a_session_has_landed(world: World) -> None:
    places = world.opened()
    place = prepared(places.at(session(world, places)))
    assert place.diff() is None
    world.write(place, {"one.txt": "1\n", "new.txt": "new\nnew\n"})
    place.commit(message(1))
    place.land(message(1))
    assert place.diff() == DiffStat(files=2, added=3, removed=1)


@pytest.mark.parametrize("ahead", [False, True])
def test_where_nothing_was_done_nothing_lands_and_nothing_is_kept(world: World, ahead: bool) -> None:
    places = world.opened()
    place = prepared(places.at(session(world, places)))
    if ahead:
        place.look_ahead()
    place.commit(message(1))
    assert place.land(message(1)) == Landing()
    assert world.landings() == 0


def test_after_a_crash_a_new_process_finds_at_home_what_nobody_committed(at_home: World) -> None:
    places = at_home.opened()
    first = session(at_home, places)
    at_home.write(prepared(places.at(first)), {"new.txt": "new\n"})

    landing = at_home.opened().at(first).land(message(1))

    assert (landing.rescue, landing.reason) == ((), None)
    assert at_home.landed() == {**FILES, "new.txt": "new\n"}
    assert at_home.landings() == 1


def test_after_a_crash_what_nobody_committed_on_a_worker_is_rescued(on_a_worker: World) -> None:
    places = on_a_worker.opened()
    first = session(on_a_worker, places)
    on_a_worker.write(prepared(places.at(first)), {"new.txt": "new\n"})

    landing = on_a_worker.opened().at(first).rescue()

    (ref,) = landing.rescue
    assert on_a_worker.kept(ref) == {**FILES, "new.txt": "new\n"}
    assert on_a_worker.landings() == 0


@pytest.mark.parametrize("done", ["commit", "land", "land, late"])
def test_after_a_crash_a_new_process_lands_the_work_once(world: World, done: str) -> None:
    alive = world.opened()
    first = session(world, alive)
    place = prepared(alive.at(first))
    world.write(place, {"new.txt": "new\n"})
    place.commit(message(1))
    before = place.land(message(1)) if done.startswith("land") else None

    again = world.opened().at(first)
    if done == "land, late":
        again.commit(message(1))
    landing = again.land(message(1))

    assert before in (None, landing)
    assert (landing.rescue, landing.reason) == ((), None)
    assert world.landed() == {**FILES, "new.txt": "new\n"}
    assert world.landings() == 1


def test_rescued_work_is_kept_and_none_of_it_lands(world: World) -> None:
    places = world.opened()
    first = session(world, places)
    place = prepared(places.at(first))
    world.write(place, {"one.txt": "1\n", "new.txt": "new\n"})

    landing = place.rescue()

    assert landing == Landing(rescue=landing.rescue)
    (ref,) = landing.rescue
    assert world.kept(ref) == {**FILES, "one.txt": "1\n", "new.txt": "new\n"}
    assert world.landings() == 0
    assert world.files(place) == FILES
    assert world.opened().at(first).rescue().rescue == landing.rescue


def test_where_nothing_was_done_nothing_is_rescued(world: World) -> None:
    places = world.opened()
    assert prepared(places.at(session(world, places))).rescue() == Landing()


def test_what_was_rescued_before_a_crash_lands_no_more(world: World) -> None:
    alive = world.opened()
    first = session(world, alive)
    place = prepared(alive.at(first))
    world.write(place, {"new.txt": "new\n"})
    refs = place.rescue().rescue

    landing = world.opened().at(first).land(message(1))

    assert (landing.commit, landing.rescue) == (None, refs)
    assert world.landings() == 0


def test_commits_are_rescued_without_a_look_at_the_tree(world: World) -> None:
    alive = world.opened()
    first = session(world, alive)
    place = prepared(alive.at(first))
    world.write(place, {"new.txt": "new\n"})
    place.commit(message(1))
    if not world.in_slot:
        place.land(message(1))

    (ref,) = world.opened().at(first).rescue_commits()

    assert world.kept(ref) == {**FILES, "new.txt": "new\n"}
    assert world.landings() == 0
    assert tuple(world.opened().at(first).rescue_commits()) == (ref,)


def test_the_next_session_begins_with_what_the_one_before_landed(world: World) -> None:
    places = world.opened()
    for seq in (1, 2, 3):
        place = prepared(places.at(session(world, places, seq)))
        assert set(world.files(place)) == {*FILES, *(f"of-{n}" for n in range(1, seq))}
        world.write(place, {f"of-{seq}": "x\n"})
        place.commit(message(seq))
        place.land(message(seq))
        place.release()
    assert world.landings() == 3


def test_nobody_is_behind_while_nobody_else_lands(world: World) -> None:
    places = world.opened()
    place = prepared(places.at(session(world, places)))
    world.write(place, {"new.txt": "new\n"})
    place.commit(message(1))
    assert not place.is_behind()


def test_turns_come_one_after_the_other_in_the_order_in_which_they_were_asked_for(world: World) -> None:
    places = world.opened()
    came: list[int] = []

    def come(seq: int) -> None:
        with places.turn():
            came.append(seq)

    with places.turn():
        waiting = Thread(target=come, args=(2,))
        waiting.start()
        came.append(1)
    waiting.join(timeout=60)
    assert came == [1, 2]


def test_who_has_landed_lets_others_go_first_but_waits_for_a_moment_only(world: World) -> None:
    places = world.opened()
    places.let_others_land()  # nobody is there
    waiting = Thread(target=places.let_others_land)
    with places.turn():
        waiting.start()
        waiting.join(timeout=60)
        assert not waiting.is_alive()


def two_at_work(world: World, first: dict[str, str], second: dict[str, str]) -> tuple[Places, Place, Place]:
    """Two sessions side by side, both committed, the first of them landed."""
    places = world.opened()
    one, two = (prepared(places.at(session(world, places, seq))) for seq in (1, 2))
    world.write(one, first)
    world.write(two, second)
    one.commit(message(1))
    two.commit(message(2))
    one.land(message(1))
    return places, one, two


def test_sessions_side_by_side_land_together(slots: World) -> None:
    _, one, two = two_at_work(slots, {"one.txt": "1\n"}, {"two.txt": "2\n"})
    assert slots.files(one) == {**FILES, "one.txt": "1\n"}
    assert two.is_behind()

    landing = two.land(message(2))

    assert landing == Landing(commit=landing.commit)
    assert slots.landed() == {"one.txt": "1\n", "two.txt": "2\n"}
    assert slots.landings() == 2


def test_a_tree_that_caught_up_holds_what_the_others_landed(slots: World) -> None:
    _, _, two = two_at_work(slots, {"one.txt": "1\n"}, {"two.txt": "2\n"})

    assert two.catch_up(message(2))

    assert slots.files(two) == {"one.txt": "1\n", "two.txt": "2\n"}
    assert not two.is_behind()
    assert slots.landings() == 1
    assert two.land(message(2)).reason is None
    assert slots.landed() == {"one.txt": "1\n", "two.txt": "2\n"}
    assert slots.landings() == 2


def test_what_two_changed_unlike_lands_for_the_first_and_is_kept_for_the_second(slots: World) -> None:
    _, _, two = two_at_work(slots, {"one.txt": "first\n"}, {"one.txt": "second\n", "new.txt": "new\n"})

    assert not two.catch_up(message(2))
    landing = two.land(message(2))

    (ref,) = landing.rescue
    assert landing == Landing(rescue=(ref,), reason="conflict: one.txt", retry=True)
    assert slots.kept(ref) == {**FILES, "one.txt": "second\n", "new.txt": "new\n"}
    assert slots.landed() == {**FILES, "one.txt": "first\n"}


def test_what_a_set_up_changes_in_files_of_the_commit_is_taken_back(slots: World) -> None:
    places = slots.opened()
    place = places.at(session(slots, places))
    assert not place.prepare()
    assert place.provision() == ()
    slots.write(place, {"one.txt": "by the set-up\n"})
    place.provisioned()
    assert slots.files(place) == FILES
    assert place.land(message(1)) == Landing()


def test_a_slot_is_provisioned_once(slots: World) -> None:
    places = slots.opened()
    ready = []
    for seq in (1, 2):
        place = places.at(session(slots, places, seq))
        ready.append(place.prepare())
        if not ready[-1]:
            place.provision()
            place.provisioned()
        place.land(message(seq))
        place.release()
    assert ready == [False, True]


def test_what_shows_in_a_slot_after_its_session_landed_is_rescued_before_the_next_begins(
    slots_at_home: World,
) -> None:
    places = slots_at_home.opened()
    place = prepared(places.at(session(slots_at_home, places)))
    slots_at_home.write(place, {"new.txt": "new\n"})
    place.commit(message(1))
    place.land(message(1))
    slots_at_home.write(place, {"late.txt": "late\n"})
    place.release()

    after = prepared(places.at(session(slots_at_home, places, 2)))

    assert slots_at_home.files(after) == {**FILES, "new.txt": "new\n"}
    kept = slots_at_home.kept(f"refs/pitboss/rescue/{RUN}/session-0001")
    assert kept["late.txt"] == "late\n"


def test_slots_of_sessions_side_by_side_are_apart(slots: World) -> None:
    places = slots.opened()
    one, two = (places.at(session(slots, places, seq)) for seq in (1, 2))
    slots.files(prepared(one)), slots.files(prepared(two))
    assert slots.tree(one) != slots.tree(two)


def test_nothing_of_a_released_place_stays_in_memory_once_others_are_used(on_a_worker: World) -> None:
    places = on_a_worker.opened()
    first = prepared(places.at(session(on_a_worker, places)))
    assert first.land(message(1)).commit is None
    first.release()
    seen = weakref.ref(first)
    del first
    prepared(places.at(session(on_a_worker, places, 2)))
    gc.collect()
    assert seen() is None


def test_a_worker_tidies_what_came_home_and_keeps_what_a_slot_showed_later(
    on_a_worker: World, tmp_path: Path
) -> None:
    places = on_a_worker.opened()
    first = prepared(places.at(session(on_a_worker, places)))
    on_a_worker.write(first, {"new.txt": "new\n"})
    tree = Path(on_a_worker.tree(first))
    assert first.rescue().rescue
    first.release()
    (tree / "late.txt").write_text("late\n")
    second = prepared(places.at(session(on_a_worker, places, 2)))
    second.release()
    begun = BegunAttempts(tmp_path / "worker" / "begun")
    wait_until(lambda: not list(begun.unfinished()))

    (clone,) = (Repo.discover(found) for found in (tmp_path / "worker" / "repositories").iterdir())
    assert len(list_rescued(clone, RUN)) == 2
    tidy_worker(tmp_path / "worker", time.time() + 2 * RUN_IDLE_S)

    (kept,) = list_rescued(clone, RUN)
    assert clone.git("ls-tree", "--name-only", kept.oid, "late.txt") == b"late.txt\n"


def test_a_place_in_the_users_tree_is_never_vacated(in_place: World) -> None:
    places = in_place.opened()
    place = prepared(places.at(session(in_place, places)))
    place.commit(message(1))
    assert place.committed() is None


def vacated(world: World, work: dict[str, str]) -> tuple[Places, Assignment, str, Assignment]:
    """One session that has vacated its slot, with the commit that is left of it, and the one that works there now."""
    places = world.opened()
    first = session(world, places)
    one = prepared(places.at(first))
    world.write(one, work)
    one.commit(message(1))
    committed = str(one.committed())
    one.vacate(committed)
    second = session(world, places, 2)
    assert second.worktree == first.worktree
    two = prepared(places.at(second))
    assert world.files(two) == FILES
    world.write(two, {"two.txt": "2\n"})
    return places, first, committed, second


def test_a_vacated_slot_is_the_next_sessions_and_both_land(slots: World) -> None:
    places, first, _, second = vacated(slots, {"one.txt": "1\n"})

    landing = places.at(first).land(message(1))
    places.at(first).release()

    assert landing == Landing(commit=landing.commit)
    assert session(slots, places, 3).worktree != second.worktree
    assert slots.files(places.at(second)) == {**FILES, "two.txt": "2\n"}
    assert places.at(second).land(message(2)).reason is None
    assert slots.landed() == {"one.txt": "1\n", "two.txt": "2\n"}


def test_where_a_session_did_nothing_its_slot_can_be_vacated_too(slots: World) -> None:
    places, first, committed, _ = vacated(slots, {})
    assert committed == first.base_commit
    assert places.at(first).land(message(1)) == Landing()


def test_a_session_that_has_vacated_its_slot_is_never_behind(slots: World) -> None:
    places, first, _, _ = vacated(slots, {"one.txt": "1\n"})
    other = prepared(places.at(session(slots, places, 3)))
    slots.write(other, {"new.txt": "new\n"})
    other.commit(message(3))
    other.land(message(3))
    assert not places.at(first).is_behind()
    assert places.at(first).land(message(1)).reason is None
    assert slots.landed() == {**FILES, "one.txt": "1\n", "new.txt": "new\n"}


@pytest.mark.parametrize("how", ["in peace", "without its branch"])
@pytest.mark.parametrize("done", ["nothing", "landed"])
def test_after_a_crash_a_vacated_slot_is_the_later_sessions(slots: World, how: str, done: str) -> None:
    alive, first, committed, second = vacated(slots, {"one.txt": "1\n"})
    if done == "landed":
        alive.at(first).land(message(1))
    if how == "without its branch":
        slots.lose(str(first.branch))

    again = slots.opened()
    again.at(first).vacate(committed)
    landing = again.at(first).land(message(1))
    again.at(first).release()
    rest = again.at(second).rescue()

    assert (landing.rescue, landing.reason) == ((), None)
    assert slots.landed() == {**FILES, "one.txt": "1\n"}
    assert slots.landings() == 1
    (ref,) = rest.rescue
    assert slots.kept(ref) == {**FILES, "two.txt": "2\n"}


def test_what_is_left_of_a_session_that_vacated_its_slot_can_be_rescued(slots: World) -> None:
    places, first, committed, second = vacated(slots, {"one.txt": "1\n"})
    (ref,) = places.at(first).rescue().rescue
    assert slots.kept(ref) == {**FILES, "one.txt": "1\n"}
    assert slots.files(places.at(second)) == {**FILES, "two.txt": "2\n"}
    again = slots.opened().at(first)
    again.vacate(committed)
    assert tuple(again.rescue_commits()) == (ref,)


def test_when_the_run_is_over_its_slots_are_gone_and_what_landed_is_not(slots_at_home: World) -> None:
    places = slots_at_home.opened()
    place = prepared(places.at(session(slots_at_home, places)))
    slots_at_home.write(place, {"new.txt": "new\n"})
    place.commit(message(1))
    place.land(message(1))
    place.release()
    places.close()
    with pytest.raises((FileNotFoundError, KeyError)):
        slots_at_home.write(place, {"x": "x\n"})
    assert slots_at_home.landed() == {**FILES, "new.txt": "new\n"}
