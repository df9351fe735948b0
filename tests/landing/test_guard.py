"""Git's settings as a run found them: who changed them, and when, decides (SPEC 1.6, 7)."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from pitboss.git.errors import RepositoryGone
from pitboss.git.repo import Repo
from pitboss.landing.guard import FOLDER, Guard
from pitboss.store.backup import kept_in_git
from tests.support.cli import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOR_EVER, NEVER = float("inf"), float("-inf")


class Scene:
    """A repository, a run directory, and a guard that a run began with."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repo"
        self.root.mkdir()
        self.git("init", "-q", "-b", "main", "--template=")
        self.config = self.root / ".git/config"
        self.run = self.root / ".pitboss/grind/runs/x"
        self.run.mkdir(parents=True)
        self.guard = self.again()
        self.guard.begin()
        self.users = self.config.read_bytes()

    def git(self, *args: str) -> None:
        subprocess.run(("git", *args), cwd=self.root, check=True, capture_output=True)

    def again(self) -> Guard:
        """The guard of another process."""
        return Guard(Repo(self.root, self.root / ".git", self.root / ".git"), self.run)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_nothing_changed_is_nothing_to_say(scene: Scene) -> None:
    assert scene.guard.check() == ()


def test_a_config_is_put_back_once_and_the_other_version_kept(scene: Scene) -> None:
    scene.git("config", "core.worktree", "/else")
    theirs = scene.config.read_bytes()
    (told,) = scene.guard.check()
    kept = scene.run / FOLDER / "config-1"
    assert told == f"git's config was put back: it set core.worktree; kept as {kept}"
    assert (scene.config.read_bytes(), kept.read_bytes()) == (scene.users, theirs)
    assert scene.guard.check() == ()


def test_a_check_that_serves_several_who_wait_began_after_all_of_them_asked(scene: Scene) -> None:
    """Each thread plants hooks and checks: whatever it planted is gone then, whoever removed it."""
    hooks = scene.root / ".git/hooks"
    hooks.mkdir()
    scene.guard.begin()
    missed: list[str] = []

    def plant(thread: int) -> None:
        for nth in range(50):
            hook = hooks / f"hook-{thread}-{nth}"
            hook.write_text("planted")
            scene.guard.check()
            if hook.exists():
                missed.append(hook.name)

    threads = [Thread(target=plant, args=(nth,)) for nth in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (missed, os.listdir(hooks)) == ([], [])  # noqa: PTH208 - names


@pytest.mark.parametrize(
    ("replaced", "told"),
    [(".git", ["the git directory was replaced by a copy of it"]), (".git/objects", []), (".git/refs", [])],
)
def test_a_new_folder_is_not_taken_for_one_that_is_gone_though_it_has_its_number(
    scene: Scene, replaced: str, told: list[str]
) -> None:
    """Many file systems give a number to the next folder as soon as the one that had it is gone."""
    (scene.root / ".git" / kept_in_git(scene.run.name)).mkdir(parents=True)
    place, copy = scene.root / replaced, scene.root / "copy"
    shutil.copytree(place, copy, symlinks=True)
    shutil.rmtree(place)
    copy.rename(place)
    assert list(scene.guard.check()) == told
    for name in ("objects", "refs"):
        for nth in range(200):
            (scene.root / f".git/{name}/{nth:03}").mkdir()
    assert scene.guard.check() == ()
    assert (scene.root / ".git/objects/pack").is_dir()
    assert (scene.root / ".git/refs/heads").is_dir()


def test_a_config_that_changes_again_during_a_look_is_looked_at_again(scene: Scene) -> None:
    """As agents side by side do it: one is still at work while another one's session is looked at."""
    hooks = scene.root / ".git/hooks"
    hooks.mkdir()
    scene.guard.begin()
    scene.git("config", "user.name", "agent")
    for nth in range(100):
        (hooks / f"hook-{nth:02}").write_text("theirs")
    looking = Thread(target=scene.guard.check)
    looking.start()
    wait_until(lambda: not (hooks / "hook-00").exists())  # hooks come after the config
    scene.git("config", "core.worktree", "/else")
    looking.join()
    scene.guard.check()
    assert b"worktree" not in scene.config.read_bytes()


def test_a_config_is_put_back_although_an_earlier_try_was_cut_short(scene: Scene) -> None:
    scene.config.with_name(f"config.pitboss-{os.getpid()}").write_text("half")
    scene.config.unlink()
    scene.config.mkdir()
    assert len(scene.guard.check()) == 1
    assert scene.config.read_bytes() == scene.users
    assert [path.name for path in scene.config.parent.glob("config*")] == ["config"]


def test_a_config_is_put_back_while_an_agent_keeps_putting_a_folder_there(scene: Scene) -> None:
    done = Event()

    def take() -> None:
        while not done.is_set():
            with suppress(OSError):
                scene.config.unlink()
                scene.config.mkdir()

    taking = Thread(target=take)
    taking.start()
    try:
        for _ in range(100):
            with suppress(OSError):  # it may lose several times in a row
                scene.guard.check()
    finally:
        done.set()
        taking.join()
    scene.guard.check()
    assert scene.config.read_bytes() == scene.users


def test_a_key_that_is_nobodys_business_is_told_once_and_stays(scene: Scene) -> None:
    scene.git("config", "user.name", "agent")
    assert scene.guard.check() == ("git's config was changed: user.name",)
    assert scene.guard.check() == ()
    assert b"agent" in scene.config.read_bytes()


@pytest.mark.parametrize("name", ["hooks/pre-commit", "info/attributes"])
def test_what_a_killed_run_removed_comes_back_and_what_its_user_removed_since_does_not(
    scene: Scene, name: str
) -> None:
    file = scene.root / ".git" / name
    file.parent.mkdir()
    file.write_text("the user's")
    scene.again().begin()
    file.unlink()
    assert scene.again().resume(NEVER) == ()
    file.write_text("the user's")
    scene.again().begin()
    file.unlink()
    assert scene.again().resume(FOR_EVER) == (f"git's {name} was put back",)
    assert file.read_text() == "the user's"


def test_a_link_to_a_hook_in_the_tree_stays_whatever_sessions_make_of_that_hook(scene: Scene) -> None:
    hook, script = scene.root / ".git/hooks/pre-commit", scene.root / "scripts/pre-commit"
    for folder in (hook.parent, script.parent):
        folder.mkdir()
    script.write_text("old")
    hook.symlink_to("../../scripts/pre-commit")
    nowhere = hook.with_name("post-merge")
    nowhere.symlink_to("../../scripts/yet-to-be-made")
    scene.again().begin()
    for name in ("pre-commit", "yet-to-be-made"):
        (script.parent / name).write_text("new")
    assert scene.again().resume(FOR_EVER) == ()
    assert (hook.read_text(), nowhere.read_text()) == ("new", "new")
    hook.unlink()
    hook.write_text("theirs")
    kept = scene.run / FOLDER / "hooks-pre-commit-1"
    assert scene.again().resume(FOR_EVER) == (f"git's hooks/pre-commit was put back; kept as {kept}",)
    assert (os.readlink(hook), kept.read_text()) == ("../../scripts/pre-commit", "theirs")  # noqa: PTH115


@pytest.mark.parametrize("act", [
    "rm -r pre-commit.d",
    "echo theirs >pre-commit.d/deep/check",
    "echo theirs >pre-commit.d/10-new",
    "ln -s /etc pre-commit.d/link",
    "rm -r pre-commit.d; echo theirs >pre-commit.d",
    "rm pre-commit; mkdir -p pre-commit/in",
    "mkdir -p commit-msg/in; echo theirs >commit-msg/in/file",
    "mv pre-commit.d other.d",
])  # fmt: skip
@pytest.mark.parametrize("killed", [False, True])
def test_folders_among_the_hooks_come_back_as_they_were(scene: Scene, act: str, killed: bool) -> None:
    hooks = scene.root / ".git/hooks"
    (hooks / "pre-commit.d/deep").mkdir(parents=True)
    for name in ("pre-commit", "pre-commit.d/deep/check"):
        (hooks / name).write_text("the user's")
    before = _everything(hooks)
    guard = scene.again()
    guard.begin()
    subprocess.run(("sh", "-ec", act), cwd=hooks, check=True)
    told = scene.again().resume(FOR_EVER) if killed else guard.check()
    assert told
    assert _everything(hooks) == before
    assert guard.check() == ()


@pytest.mark.parametrize("folder", [".", "many"])
def test_a_hook_is_seen_among_any_number_of_other_files(scene: Scene, folder: str) -> None:
    hooks = scene.root / ".git/hooks"
    (hooks / folder).mkdir(parents=True, exist_ok=True)
    (hooks / "pre-commit").write_text("the user's")
    for number in range(700):
        (hooks / folder / f"file-{number}").write_text("")
    guard = scene.again()
    guard.begin()
    (hooks / "pre-commit").write_text("theirs")
    (hooks / "pre-push").write_text("theirs")
    assert len(guard.check()) == 2
    assert ((hooks / "pre-commit").read_text(), (hooks / "pre-push").exists()) == ("the user's", False)
    assert guard.check() == ()


def _everything(folder: Path) -> dict[str, str]:
    """What is in a folder and those below it, by path."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else ""
        for path in folder.rglob("*")
    }


def test_a_large_hook_is_put_back_whole_or_not_at_all(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = scene.root / ".git/hooks"
    hooks.mkdir()
    program, huge = hooks / "pre-commit", hooks / "pre-push"
    program.write_bytes(b"p" * 3_000_000)
    monkeypatch.setattr("pitboss.landing.found_files.LARGEST", 4_000_000)
    huge.write_bytes(b"h" * 4_000_001)
    guard = scene.again()
    guard.begin()
    program.unlink()
    assert guard.check() == ("git's hooks/pre-commit was put back",)
    assert program.read_bytes() == b"p" * 3_000_000
    huge.touch()
    assert (guard.check(), huge.stat().st_size) == ((), 4_000_001)
    huge.write_text("theirs")
    told = "git's hooks/pre-push has changed, and is too large to be put back; kept as"
    assert guard.check() == (f"{told} {scene.run / FOLDER}/hooks-pre-push-1",)
    assert (huge.exists(), guard.check()) == (False, ())


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than that of `tmp_path`."""
    for place in filter(Path.is_dir, map(Path, ("/dev/shm", "/tmp", "/var/tmp"))):
        if place.stat().st_dev != tmp_path.stat().st_dev and os.access(place, os.W_OK):
            with TemporaryDirectory(dir=place) as folder:
                yield Path(folder)
            return
    pytest.skip("there is one file system")


def test_what_an_agent_left_in_the_way_is_kept_on_the_disk_of_the_working_tree(
    scene: Scene, other_disk: Path
) -> None:
    tree, git = other_disk / "tree", scene.root / ".git"
    scene.git("-c", "user.name=u", "-c", "user.email=u@local", "commit", "-q", "--allow-empty", "-m", "Seed")
    scene.git("worktree", "add", "-q", str(tree))
    (git / "hooks").mkdir()
    run = tree / ".pitboss/grind/runs/x"
    run.mkdir(parents=True)
    guard = Guard(Repo(tree, git / "worktrees/tree", git), run)
    guard.begin()
    (git / "hooks/pre-commit").write_text("theirs")
    (git / "packed-refs").mkdir()
    (git / "packed-refs/work").write_text("theirs")
    assert len(guard.check()) == 2
    for name in ("hooks-pre-commit-1", "packed-refs-1/work"):
        assert (run / FOLDER / name).read_text() == "theirs"
    assert not [name for name in ("hooks/pre-commit", "packed-refs") if (git / name).exists()]


def test_a_killed_run_is_compared_with_what_it_began_with(scene: Scene) -> None:
    scene.git("config", "core.worktree", "/else")
    told = scene.again().resume(FOR_EVER)
    assert [text.split(":")[0] for text in told] == ["git's config was put back"]
    assert scene.config.read_bytes() == scene.users


def test_what_changed_after_the_run_was_gone_is_the_users(scene: Scene) -> None:
    scene.git("config", "core.hooksPath", "mine")
    assert scene.again().resume(time.time() - 3600) == ()
    assert scene.again().resume(NEVER) == ()
    assert b"mine" in scene.config.read_bytes()


def test_a_run_that_kept_nothing_takes_what_is_there(scene: Scene) -> None:
    (scene.run / FOLDER / "found.json").write_text("garbage")
    scene.git("config", "core.hooksPath", "mine")
    assert scene.again().resume(FOR_EVER) == ()


@pytest.fixture
def worktrees(scene: Scene) -> Scene:
    """A repository whose worktrees may have a config of their own."""
    scene.git("config", "extensions.worktreeConfig", "true")
    scene.git("-c", "user.name=u", "-c", "user.email=u@local", "commit", "-q", "--allow-empty", "-m", "Seed")
    return scene


def test_the_config_of_a_worktree_is_guarded_where_git_reads_one(worktrees: Scene) -> None:
    worktrees.git("worktree", "add", "-q", "-b", "users", "../users")
    guard = worktrees.again()
    guard.begin()
    worktrees.git("-C", "../users", "config", "--worktree", "core.hooksPath", "/else")
    (told,) = guard.check()
    assert told.startswith("git's worktrees/users/config.worktree was removed: it set core.hookspath")
    assert not (worktrees.root / ".git/worktrees/users/config.worktree").exists()


def test_a_new_worktree_may_have_what_git_copies_to_it_and_no_more(worktrees: Scene) -> None:
    worktrees.git("config", "--worktree", "core.hooksPath", "mine")
    worktrees.git("config", "--worktree", "core.worktree", str(worktrees.root))
    guard = worktrees.again()
    guard.begin()
    worktrees.git("worktree", "add", "-q", "-b", "slot", "../slot")
    copied = worktrees.root / ".git/worktrees/slot/config.worktree"
    assert (guard.check(), copied.exists()) == ((), True)
    users = copied.read_bytes()
    worktrees.git("-C", "../slot", "config", "--worktree", "core.hooksPath", "/else")
    (told,) = guard.check()
    assert told.startswith("git's worktrees/slot/config.worktree was put back: it set core.hookspath")
    assert copied.read_bytes() == users
    copied.unlink()
    assert len(guard.check()) == 1
    worktrees.git("worktree", "remove", "--force", "../slot")
    assert guard.check() == ()
    assert not copied.parent.exists()


def test_links_of_the_users_are_left_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    (tmp_path / "logs").mkdir()
    (scene.root / ".git/logs").symlink_to(tmp_path / "logs")
    guard = scene.again()
    guard.begin()
    assert guard.check() == ()


def test_a_git_directory_that_was_moved_comes_back(scene: Scene, tmp_path: Path) -> None:
    (scene.root / ".git").rename(tmp_path / "moved")
    told = f"the git directory had been moved to {tmp_path}/moved, and was moved back"
    assert scene.guard.check() == (told,)
    assert scene.config.read_bytes() == scene.users
    assert scene.guard.check() == ()


def test_a_git_directory_comes_back_while_others_keep_taking_its_place(scene: Scene, tmp_path: Path) -> None:
    """As git does: it makes the folders that its locks need."""
    done = Event()

    def take() -> None:
        while not done.is_set():
            with suppress(OSError):
                os.makedirs(scene.root / ".git/refs/heads")  # noqa: PTH103 - raises if it is there

    taking = Thread(target=take)
    taking.start()
    try:
        for _ in range(5):
            (scene.root / ".git").rename(tmp_path / "moved")
            while not scene.config.exists():
                with suppress(OSError):  # it may lose several times in a row
                    scene.guard.check()
    finally:
        done.set()
        taking.join()
    scene.guard.check()
    assert scene.config.read_bytes() == scene.users


def test_a_git_directory_that_went_to_another_disk_comes_back_from_there(
    scene: Scene, tmp_path: Path
) -> None:
    """`mv` copies it and removes it, so it is another folder then; what a run keeps in it tells it from a clone."""
    (scene.root / ".git/pitboss/backup/runs/x").mkdir(parents=True)
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as other:
        shutil.move(scene.root / ".git", f"{other}/moved")
        (scene.root / ".git").symlink_to(f"{other}/moved")
        scene.git("clone", "-q", f"{other}/moved", str(tmp_path / "clone"))
        (told,) = scene.guard.check()
    assert told.startswith(f"the git directory had been moved to {other}/moved, and was moved back")
    assert not (scene.root / ".git").is_symlink()
    assert scene.config.read_bytes() == scene.users
    assert scene.guard.check() == ()


def test_a_clone_is_no_copy_of_a_git_directory(scene: Scene, tmp_path: Path) -> None:
    scene.git("clone", "-q", "--bare", str(scene.root), str(tmp_path / "clone"))
    shutil.rmtree(scene.root / ".git")
    (scene.root / ".git").symlink_to(tmp_path / "clone")
    with pytest.raises(RepositoryGone, match="is no longer the git directory"):
        scene.guard.check()
    assert (tmp_path / "clone/HEAD").is_file()


@pytest.mark.parametrize("lost", ["objects", "refs", "objects refs HEAD"])
def test_a_folder_that_lacks_what_git_needs_is_no_git_directory(scene: Scene, lost: str) -> None:
    """`rm -rf .git` may leave what somebody writes there meanwhile."""
    for name in lost.split():
        gone = scene.root / ".git" / name
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(RepositoryGone, match="is no longer the git directory"):
        scene.guard.check()
    assert (scene.root / ".git/HEAD").exists() == ("HEAD" not in lost)


IN_ITS_PLACE = {"nothing": ":", "a file": ": >$0", "a folder": "mkdir $0", "a pipe": "mkfifo $0"}


@pytest.mark.parametrize("where", [".git/elsewhere", ".git/hooks/deep", "../outside"])
@pytest.mark.parametrize("name", ["objects", "refs", "logs"])
@pytest.mark.parametrize("instead", IN_ITS_PLACE.values(), ids=IN_ITS_PLACE)
def test_a_folder_that_git_needs_comes_back_from_wherever_it_was_moved(
    scene: Scene, name: str, where: str, instead: str
) -> None:
    place = scene.root / ".git" / name
    (scene.root / ".git/hooks").mkdir(exist_ok=True)
    place.mkdir(exist_ok=True)
    (place / "mark").touch()
    scene.guard.begin()
    place.rename(scene.root / where)
    subprocess.run(("sh", "-c", instead, str(place)), check=True)
    warnings = scene.guard.check()
    assert any(f"git's {name} had been moved to" in warning for warning in warnings), warnings
    assert (place / "mark").is_file()
    assert scene.guard.check() == ()


@pytest.mark.parametrize("mode", [0, 0o500])
@pytest.mark.parametrize(
    "name",
    [
        ".",
        "packed-refs",
        "logs/HEAD",
        "objects",
        "refs",
        "refs/heads",
        "logs",
        "hooks",
        "worktrees",
        "worktrees/slot-1",
    ],
)
def test_what_an_agent_takes_with_chmod_is_given_back(scene: Scene, name: str, mode: int) -> None:
    for folder in ("logs", "hooks", "worktrees/slot-1"):
        (scene.root / ".git" / folder).mkdir(parents=True, exist_ok=True)
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    scene.git("pack-refs", "--all")
    scene.guard.begin()
    place = scene.root / ".git" / name
    needed = 0o700 if place.is_dir() else 0o600
    place.chmod(mode & 0o400 if place.is_file() else mode)
    (warning,) = scene.guard.check()
    assert warning == f"{os.path.normpath(place)} could not be read or written any more, and can be again"
    assert (place.stat().st_mode & 0o700, scene.guard.check()) == (needed, ())


def test_what_is_in_a_folder_is_given_back_with_it(scene: Scene) -> None:
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    scene.guard.begin()
    git_dir, link = scene.root / ".git", scene.root / "private"
    link.touch(mode=0o000)
    (git_dir / "refs/link").symlink_to(link)
    for name in ("objects", "refs"):
        subprocess.run(("chmod", "-R", "000", git_dir / name), check=True)
    assert len(scene.guard.check()) == 2
    found = [*(git_dir / "objects").rglob("*"), *(git_dir / "refs").rglob("[!l]*")]
    needed = {each: 0o700 if each.is_dir() else 0o400 for each in found}
    assert [each for each in found if each.stat().st_mode & needed[each] != needed[each]] == []
    assert link.stat().st_mode & 0o777 == 0


def test_what_the_user_has_closed_stays_closed(scene: Scene) -> None:
    hooks = scene.root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    hooks.chmod(0o500)
    scene.guard.begin()
    assert (scene.guard.check(), hooks.stat().st_mode & 0o777) == ((), 0o500)


def test_both_folders_of_a_linked_worktree_come_back(scene: Scene, tmp_path: Path) -> None:
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    scene.git("worktree", "add", "-q", str(tmp_path / "linked"))
    git_dir = scene.root / ".git/worktrees/linked"
    guard = Guard(Repo(tmp_path / "linked", git_dir, scene.root / ".git"), scene.run)
    guard.begin()
    git_dir.rename(tmp_path / "one")
    (scene.root / ".git").rename(tmp_path / "all")
    assert len(guard.check()) == 2
    assert (git_dir / "HEAD").is_file()
    assert guard.check() == ()


WAITED_AT = (
    *("index", "packed-refs", "shallow", "info/exclude"),
    *("worktrees/slot-1/HEAD", "worktrees/slot-1/index", "worktrees/slot-1/logs/HEAD"),
)


@pytest.mark.parametrize("name", WAITED_AT)
def test_whoever_waits_at_a_pipe_in_place_of_a_file_of_gits_goes_on(scene: Scene, name: str) -> None:
    pipe = scene.root / ".git" / name
    pipe.parent.mkdir(parents=True, exist_ok=True)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with subprocess.Popen(("cat", pipe), stdout=subprocess.PIPE) as waiting:
        while not _is_waiting(waiting.pid, "cat"):
            time.sleep(0.01)
        (warning,) = scene.guard.check()
        assert warning == f"{pipe} was a pipe and was removed: git would have waited there for ever"
        assert waiting.communicate(timeout=20)[0] == b""
    assert not pipe.exists()
    assert scene.guard.check() == ()


@pytest.mark.parametrize("name", ["index", "packed-refs", "info/exclude", "logs/HEAD", "COMMIT_EDITMSG"])
def test_a_folder_in_place_of_a_file_of_gits_is_set_aside(scene: Scene, name: str) -> None:
    place = scene.root / ".git" / name
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    (place / "inside").mkdir(parents=True)
    (warning,) = scene.guard.check()
    assert warning == f"{place} was no file and was removed: git needs one there, or none"
    assert not place.exists()
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    assert scene.guard.check() == ()


@pytest.mark.parametrize("name", ["logs", "logs/refs", "objects/info", "worktrees"])
def test_a_file_in_place_of_a_folder_of_gits_is_set_aside(scene: Scene, name: str) -> None:
    place = scene.root / ".git" / name
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(exist_ok=True)
    place.touch()
    (warning,) = scene.guard.check()
    assert warning == f"{place} was no folder and was removed: git needs one there, or none"
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    assert scene.guard.check() == ()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("garbage\n"),
        lambda path: path.write_text(path.read_text().rstrip("\n")),
        lambda path: path.write_text(""),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
    ],
    ids=["garbage", "cut", "empty", "gone", "folder", "link"],
)
def test_packed_refs_that_are_none_any_more_are_put_back(
    scene: Scene, spoil: Callable[[Path], object]
) -> None:
    packed = scene.root / ".git/packed-refs"
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    scene.git("pack-refs", "--all")
    assert scene.guard.check() == ()
    was = packed.read_bytes()
    spoil(packed)
    assert "git's packed-refs was no such list any more, and was put back" in scene.guard.check()
    assert packed.read_bytes().splitlines()[1:] == was.splitlines()[1:]
    assert scene.guard.check() == ()
    scene.git("rev-parse", "main")


def test_packed_refs_are_on_disk_before_what_took_their_place_goes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, synced, sync = scene.root / ".git/packed-refs", list[tuple[str, str]](), os.fsync

    def noting(descriptor: int) -> None:
        now = packed.read_text() if packed.is_file() else "nothing"
        synced.append((stat.filemode(os.fstat(descriptor).st_mode)[0], now))
        sync(descriptor)

    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    scene.git("pack-refs", "--all")
    assert scene.guard.check() == ()
    packed.write_text("garbage\n")
    monkeypatch.setattr(os, "fsync", noting)
    assert len(scene.guard.check()) == 1
    assert synced[0] == ("-", "garbage\n")
    assert synced[-1] == ("d", packed.read_text())


def test_refs_that_were_packed_meanwhile_stay_when_the_list_is_put_back(scene: Scene) -> None:
    packed = scene.root / ".git/packed-refs"
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "tag", "-m", "one", "v1")
    scene.git("pack-refs", "--all")
    packed.write_text(packed.read_text() + "garbage\n")
    assert len(scene.guard.check()) == 1
    scene.git("rev-parse", "main", "v1^{commit}")
    scene.git("for-each-ref", "--format=%(*objectname)")
    assert scene.guard.check() == ()


def test_refs_that_a_fenced_session_forged_are_not_put_back_as_packed_ones(scene: Scene) -> None:
    scene.git("-c", "user.name=a", "-c", "user.email=a@local", "commit", "-q", "--allow-empty", "-m", "one")
    guard = Guard(Repo(scene.root, scene.root / ".git", scene.root / ".git"), scene.run, fenced=True)
    guard.begin()
    packed = scene.root / ".git/packed-refs"
    packed.write_text((scene.root / ".git/refs/heads/main").read_text().strip() + " refs/heads/forged\n")
    (warning,) = guard.check()
    assert "held refs that were never made: refs/heads/forged" in warning
    assert guard.check() == ()
    assert not packed.exists()


def test_a_shallow_file_of_nonsense_goes_and_what_git_wrote_stays(scene: Scene) -> None:
    shallow = scene.root / ".git/shallow"
    shallow.write_text("garbage\n")
    assert scene.guard.check() == ("git's shallow was no such list any more, and was put back",)
    assert not shallow.exists()
    shallow.write_text("a" * 40 + "\n")
    assert scene.guard.check() == ()
    shallow.unlink()
    assert scene.guard.check() == ()


def test_a_list_that_made_no_sense_when_the_run_began_is_left_alone(scene: Scene) -> None:
    shallow = scene.root / ".git/shallow"
    shallow.write_text("garbage\n")
    scene.guard.begin()
    shallow.write_text("nonsense\n")
    assert scene.guard.check() == ()
    assert shallow.read_text() == "nonsense\n"


def _is_waiting(pid: int, program: str) -> bool:
    """Whether a process runs this program by now, and sleeps."""
    about = Path(f"/proc/{pid}/status").read_text()
    return f"Name:\t{program}\n" in about and "(sleeping)" in about


def test_what_says_where_a_git_directory_was_may_be_garbage(scene: Scene) -> None:
    (scene.run / FOLDER / "homes.json").write_bytes(b"garbage")
    assert scene.again().bring_back(FOR_EVER) == ()


def test_a_repository_that_is_gone_is_said_to_be(scene: Scene) -> None:
    shutil.rmtree(scene.root / ".git")
    with pytest.raises(RepositoryGone, match="is no longer the git directory"):
        scene.guard.check()


def test_a_look_costs_far_less_than_a_millisecond(scene: Scene) -> None:
    def look() -> float:
        began = time.perf_counter()
        scene.guard.check()
        return time.perf_counter() - began

    assert min(look() for _ in range(50)) < 0.001
