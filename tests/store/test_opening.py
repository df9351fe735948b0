"""Everything that may stand in the way of a run's files: nothing of it is followed, written to or waited for."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import RunDirectoryGone, StorageError
from pitboss.store import anchors, opening
from pitboss.store.files import (
    append_durable,
    make_directory,
    read_regular,
    sync_directory,
    write_atomic,
)
from tests.support.disk import LIKE_ANYBODY, NO_FILES, names, open_descriptors, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = ".pitboss/grind/runs/rid"
INTRUDERS = ("link", "dangling", "pipe", "device", "folder", "hard-link", "socket")
PARENTS = (".pitboss", ".pitboss/grind", ".pitboss/grind/runs", RUN)


class Scene:
    """A run directory, and a folder beside the repository that nothing may change."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repo"
        self.run = self.root / RUN
        self.run.mkdir(parents=True)
        self.beside = folder / "beside"
        (self.beside / "grind/runs/rid").mkdir(parents=True)
        (self.beside / "runs/rid").mkdir(parents=True)
        (self.beside / "rid").mkdir()
        self.precious = self.beside / "precious"
        self.precious.write_bytes(b"the user's\n")

    def put(self, path: Path, kind: str) -> None:
        match kind:
            case "link":
                path.symlink_to(self.precious)
            case "dangling":
                path.symlink_to(self.beside / "new")
            case "pipe":
                os.mkfifo(path)
            case "device":
                path.symlink_to("/dev/null")
            case "folder":
                (path / "inner").mkdir(parents=True)
            case "socket":
                bind = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
                subprocess.run([sys.executable, "-c", bind, path.name], cwd=path.parent, check=True)
            case _:
                path.hardlink_to(self.precious)

    def untouched(self) -> bool:
        found = sorted(str(p.relative_to(self.beside)) for p in self.beside.rglob("*"))
        same = found == ["grind", "grind/runs", "grind/runs/rid", "precious", "rid", "runs", "runs/rid"]
        return same and self.precious.read_bytes() == b"the user's\n"


@pytest.fixture(params=["name by name", "in one call"])
def scene(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    opening.take_notices()
    scene = Scene(tmp_path)
    monkeypatch.setattr(anchors, "_enter", None)
    if request.param == "in one call":
        anchors.hasten()
        anchors.anchor(scene.root)
    yield scene
    opening.take_notices()


@pytest.mark.parametrize("kind", INTRUDERS)
class TestAFileInTheWay:
    def test_is_set_aside_and_told_when_a_file_is_replaced(self, scene: Scene, kind: str) -> None:
        path = scene.run / "state.json"
        scene.put(path, kind)
        write_atomic(path, b"ours")
        assert (path.read_bytes(), path.stat().st_nlink, scene.untouched()) == (b"ours", 1, True)
        if kind != "hard-link":  # it is a file: its name goes to the new one, as that of any old state does
            assert opening.take_notices() == [
                "state.json was replaced by something else, which is kept as state.json.set-aside-1"
            ]

    def test_is_not_written_through_as_the_temporary_file(self, scene: Scene, kind: str) -> None:
        path = scene.run / "state.json"
        scene.put(scene.run / "state.json.tmp", kind)
        write_atomic(path, b"ours")
        assert (path.read_bytes(), path.stat().st_nlink, scene.untouched()) == (b"ours", 1, True)

    def test_is_set_aside_and_told_when_a_file_is_appended_to(self, scene: Scene, kind: str) -> None:
        path = scene.run / "sessions.md"
        scene.put(path, kind)
        before = open_descriptors()
        append_durable(path, b"one\n")
        append_durable(path, b"two\n")
        assert (path.read_bytes(), path.is_symlink(), scene.untouched()) == (b"one\ntwo\n", False, True)
        assert names(scene.run) == ["sessions.md", "sessions.md.set-aside-1"]
        assert len(opening.take_notices()) == 1
        assert open_descriptors() == before

    def test_is_not_read(self, scene: Scene, kind: str) -> None:
        path = scene.run / "summary"
        scene.put(path, kind)
        before = open_descriptors()
        assert read_regular(path, 100) is None
        assert open_descriptors() == before

    def test_keeps_its_mode(self, scene: Scene, kind: str) -> None:
        scene.precious.chmod(0o644)
        path = scene.run / "summary"
        scene.put(path, kind)
        assert read_regular(path, 9, private=True) is None
        assert scene.precious.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("parent", PARENTS)
class TestALinkInThePlaceOfAParent:
    def plant(self, scene: Scene, parent: str) -> None:
        (scene.root / parent).rename(scene.root.parent / "moved")
        below = RUN.removeprefix(parent).strip("/")
        elsewhere = (
            scene.beside.joinpath(*RUN.split("/")[len(parent.split("/")) : -1]) if below else scene.beside
        )
        (scene.root / parent).symlink_to(scene.beside if below else elsewhere)

    def test_is_followed_by_nobody(self, scene: Scene, parent: str) -> None:
        self.plant(scene, parent)
        with pytest.raises(RunDirectoryGone):
            write_atomic(scene.run / "state.json", b"ours")
        with pytest.raises(RunDirectoryGone):
            append_durable(scene.run / "sessions.md", b"ours")
        with pytest.raises(RunDirectoryGone):
            sync_directory(scene.run)
        assert read_regular(scene.run / "precious", 9) is None
        assert not opening.remove(scene.run / "precious")
        assert not opening.is_folder(scene.run)
        assert opening.names_in(scene.run) == []
        assert scene.untouched()

    def test_is_set_aside_by_who_makes_what_is_missing(self, scene: Scene, parent: str) -> None:
        self.plant(scene, parent)
        write_atomic(scene.run / "state.json", b"ours", make=True)
        assert (scene.run / "state.json").read_bytes() == b"ours"
        assert not (scene.root / parent).is_symlink()
        assert scene.untouched()
        assert len(opening.take_notices()) == 1
        assert names(scene.root) == [".pitboss"]

    def test_keeps_whole_trees_behind_it(self, scene: Scene, parent: str) -> None:
        self.plant(scene, parent)
        with pytest.raises(NotADirectoryError):
            opening.remove_tree(scene.run / "rid")
        assert scene.untouched()


def test_a_tree_is_removed_and_what_links_in_it_lead_to_stays(scene: Scene) -> None:
    (scene.run / "slot/deep").mkdir(parents=True)
    (scene.run / "slot/link").symlink_to(scene.beside)
    (scene.run / "other").symlink_to(scene.beside)
    for name in ("slot", "other", "never-there"):
        opening.remove_tree(scene.run / name)
    assert (names(scene.run), scene.untouched()) == ([], True)


def test_links_on_the_way_to_the_repository_are_the_users_and_are_followed(scene: Scene) -> None:
    (scene.root.parent / "alias").symlink_to(scene.root)
    write_atomic(scene.root.parent / "alias" / RUN / "state.json", b"ours")
    assert (scene.run / "state.json").read_bytes() == b"ours"


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_the_user_put_in_place_of_a_file_may_be_a_link_to_one_and_nothing_else(
    scene: Scene, kind: str
) -> None:
    (scene.root / "prompt.md").symlink_to(scene.precious)
    with opening.open_users(scene.root / "prompt.md") as file:
        assert file.read() == b"the user's\n"
    put(scene.root / "odd.md", kind)
    before = open_descriptors()
    with pytest.raises(OSError, match="is not a regular file"):
        opening.open_users(scene.root / "odd.md")
    assert open_descriptors() == before


def test_a_link_outside_our_folder_is_the_users_and_is_followed(scene: Scene) -> None:
    (scene.root / ".gitignore").symlink_to(scene.precious)
    append_durable(scene.root / ".gitignore", b"more\n")
    assert scene.precious.read_bytes() == b"the user's\nmore\n"


@pytest.mark.parametrize("name", ["link", "folder"])
def test_what_is_below_git_in_a_folder_of_ours_is_held_to_the_same(scene: Scene, name: str) -> None:
    ours = scene.root / ".git/pitboss"
    ours.parent.mkdir()
    scene.put(ours, "link") if name == "folder" else ours.mkdir()
    (ours / "lock").symlink_to(scene.precious) if name == "link" else None
    append_durable(ours / "lock", b"x") if name == "link" else make_directory(ours)
    assert scene.untouched()
    assert len(opening.take_notices()) == 1


def test_a_folder_that_is_held_on_to_stays_the_same_when_its_name_leads_elsewhere(scene: Scene) -> None:
    anchors.anchor(scene.root)
    anchors.anchor(scene.root)
    anchors.anchor(scene.root / "gone")
    scene.root.rename(scene.root.parent / "moved")
    scene.root.symlink_to(scene.beside)
    (scene.beside / ".pitboss").mkdir()
    write_atomic(scene.run / "state.json", b"ours")
    assert (scene.root.parent / "moved" / RUN / "state.json").read_bytes() == b"ours"
    assert names(scene.beside / ".pitboss") == []


def test_a_folder_that_is_held_on_to_can_be_found_wherever_it_goes(scene: Scene, tmp_path: Path) -> None:
    assert anchors.whereabouts(tmp_path / "nobody holds it") is None
    anchors.anchor(scene.root)
    scene.root.rename(tmp_path / "moved")
    assert anchors.whereabouts(scene.root) == tmp_path / "moved"
    scene.root.mkdir()
    anchors.anchor(scene.root)
    assert anchors.whereabouts(scene.root) == scene.root
    scene.root.rmdir()
    found = anchors.whereabouts(scene.root)
    assert found is not None
    assert not found.exists()


def test_a_folder_of_that_name_that_a_run_keeps_is_no_beginning_of_a_way(scene: Scene) -> None:
    anchors.anchor(scene.root)
    kept = scene.run / "set-aside/session-0001/project/.pitboss"
    (scene.run / "set-aside").symlink_to(scene.beside)
    make_directory(kept)
    assert (kept.is_dir(), scene.untouched()) == (True, True)


def test_a_name_that_is_taken_again_and_again_is_an_error_in_the_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_aside = opening.set_aside

    def and_put_again(at: opening.FolderEntry) -> str | None:
        aside = set_aside(at)
        os.symlink("nowhere", at.name, dir_fd=at.folder)
        return aside

    monkeypatch.setattr(opening, "set_aside", and_put_again)
    (scene.run / "file").symlink_to("nowhere")
    (scene.run / "new.tmp").symlink_to("nowhere")
    (scene.run / "folder").symlink_to("nowhere")
    again = "something keeps taking its place"
    with pytest.raises(StorageError, match=again):
        append_durable(scene.run / "file", b"x")
    with pytest.raises(StorageError, match=again):
        write_atomic(scene.run / "new", b"x")
    with pytest.raises(StorageError, match=again):
        make_directory(scene.run / "folder")


def test_setting_aside_what_is_gone_meanwhile_is_fine(scene: Scene) -> None:
    with opening.entry_at(scene.run / "gone") as at:
        assert opening.set_aside(at) is None


def test_what_was_set_aside_before_keeps_its_name(scene: Scene) -> None:
    for _ in range(2):
        scene.put(scene.run / "sessions.md", "pipe")
        append_durable(scene.run / "sessions.md", b"x")
        (scene.run / "sessions.md").unlink()
    assert names(scene.run) == ["sessions.md.set-aside-1", "sessions.md.set-aside-2"]


WITHOUT_MODES = """
import sys
from pathlib import Path
from pitboss.errors import StorageError
from pitboss.store.files import append_durable, write_atomic
run = Path(sys.argv[1])
append_durable(run / "sessions.md", b"two\\n")
run.parent.chmod(0)
write_atomic(run / "state.json", b"ours", make=True)
run.chmod(0o500)
for name in (run / "new", run.parents[3] / ".gitignore"):
    try:
        append_durable(name, b"x")
    except StorageError:
        print("refused")
"""


def test_modes_that_an_agent_took_away_are_given_back_but_none_that_the_user_set(scene: Scene) -> None:
    (scene.run / "sessions.md").write_bytes(b"one\n")
    (scene.run / "sessions.md").chmod(0)
    (scene.root / ".gitignore").touch(0o400)
    prefix = LIKE_ANYBODY if os.getuid() == 0 else ()
    done = subprocess.run(
        [*prefix, sys.executable, "-c", WITHOUT_MODES, str(scene.run)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "refused\n" * 2
    assert (scene.root / ".gitignore").stat().st_mode & 0o777 == 0o400
    assert (scene.run / "sessions.md").read_bytes() == b"one\ntwo\n"
    assert (scene.run / "state.json").read_bytes() == b"ours"


def test_an_error_that_nothing_can_be_done_about_is_raised(scene: Scene) -> None:
    with pytest.raises(OSError, match="File name too long") as failure:
        opening.open_folder(scene.run / ("x" * 300), make=True)
    assert failure.value.errno == errno.ENAMETOOLONG
    with pytest.raises(StorageError, match="File name too long"):
        append_durable(scene.run / ("x" * 300), b"")


@pytest.mark.parametrize("puts_another", [False, True])
def test_a_temporary_file_that_somebody_takes_away_is_written_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, puts_another: bool
) -> None:
    put_in_place, thefts = opening.put_in_place, [1, 2]

    def after_a_theft(at: opening.FolderEntry, temporary: str) -> None:
        if thefts:
            thefts.pop()
            (scene.run / temporary).unlink()
            if puts_another:
                (scene.run / temporary).write_bytes(b"theirs")
        put_in_place(at, temporary)

    monkeypatch.setattr(opening, "put_in_place", after_a_theft)
    write_atomic(scene.run / "state.json", b"ours")
    assert (thefts, (scene.run / "state.json").read_bytes(), names(scene.run)) == (
        [],
        b"ours",
        ["state.json"],
    )


@pytest.mark.parametrize("puts_another", [False, True])
def test_a_temporary_file_that_is_taken_away_every_time_is_an_error_in_the_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, puts_another: bool
) -> None:
    put_in_place = opening.put_in_place

    def after_a_theft(at: opening.FolderEntry, temporary: str) -> None:
        (scene.run / temporary).unlink()
        if puts_another:
            (scene.run / temporary).write_bytes(b"theirs")
        put_in_place(at, temporary)

    monkeypatch.setattr(opening, "put_in_place", after_a_theft)
    with pytest.raises(StorageError):
        write_atomic(scene.run / "state.json", b"ours")
    with pytest.raises(StorageError):
        write_atomic(scene.run / "state.json", iter([b"ours"]))


def test_a_name_that_is_gone_leads_nowhere(scene: Scene) -> None:
    with opening.entry_at(scene.run / "gone") as at:
        assert not opening.leads_to(at, at.folder)
