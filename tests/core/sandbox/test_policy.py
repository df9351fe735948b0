"""What each path becomes inside the sandbox (SPEC 13)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.config import SandboxMode, SandboxSettings
from pitboss.core.sandbox.git_policy import branch_folders, git_rules
from pitboss.core.sandbox.ground import Access, AgentFolders, GitGround, Ground, Look, PathKind, Spot
from pitboss.core.sandbox.policy import Mount, is_within, mounts
from pitboss.core.sandbox.secrets import CACHES, SECRETS, named_sockets

HOME = "/home/ann"
REPO = f"{HOME}/repo"
GIT = f"{REPO}/.git"
RUN = f"{REPO}/.pitboss/grind/runs/r"
SLOT = f"{RUN}/worktrees/slot-1"
BRANCH = "pitboss/grind/r"
BWRAP = SandboxSettings(mode=SandboxMode.BWRAP)
FILES = (f"{GIT}/config", f"{GIT}/packed-refs", f"{GIT}/logs/HEAD", f"{HOME}/.netrc", f"{SLOT}/.git")


def a_machine(*missing: str, links: dict[str, str] | None = None) -> Look:
    """A disk on which everything exists, but for what is `missing`, and whatever lies in it."""

    def look(path: str) -> Spot | None:
        if any(is_within(path, gone) for gone in missing):
            return None
        return Spot((links or {}).get(path, path), PathKind.FILE if path in FILES else PathKind.FOLDER)

    return look


def in_place(**more: object) -> Ground:
    git = GitGround(own=GIT, common=GIT, branch=BRANCH)
    return Ground(**{"home": HOME, "tree": REPO, "git": git, "pitboss": f"{REPO}/.pitboss", **more})  # type: ignore[arg-type]


def in_slot() -> Ground:
    git = GitGround(own=f"{GIT}/worktrees/slot-1", common=GIT, branch=f"{BRANCH}-session-0001")
    return Ground(
        home=HOME, tree=SLOT, git=git, pitboss=f"{REPO}/.pitboss", lent=(f"{RUN}/exchange/session-0001",)
    )


def reach(found: tuple[Mount, ...], path: str) -> Access:
    """What a path has become: the last mount around it decides."""
    return ([Access.READ] + [mount.access for mount in found if is_within(path, mount.path)])[-1]


@pytest.mark.parametrize(
    ("path", "access"),
    [
        (f"{REPO}/src/main.c", Access.WRITE),
        (f"{REPO}/.pitboss/config.toml", Access.HIDDEN),
        (f"{GIT}/index.lock", Access.WRITE),
        (f"{GIT}/objects/ab", Access.WRITE),
        (f"{GIT}/HEAD", Access.WRITE),
        (f"{GIT}/logs/HEAD", Access.WRITE),
        (f"{GIT}/refs/heads/{BRANCH}.lock", Access.WRITE),
        (f"{GIT}/logs/refs/heads/{BRANCH}", Access.WRITE),
        (f"{GIT}/refs/heads/main", Access.READ),
        (f"{GIT}/refs/tags/v1", Access.READ),
        (f"{GIT}/hooks/pre-commit", Access.READ),
        (f"{GIT}/config", Access.READ),
        (f"{GIT}/config.worktree", Access.READ),
        (f"{GIT}/info/attributes", Access.READ),
        (f"{GIT}/packed-refs", Access.READ),
        (f"{GIT}/worktrees/slot-1/HEAD", Access.READ),
        (f"{GIT}/pitboss/runs", Access.HIDDEN),
        (f"{HOME}/.profile", Access.READ),
        (f"{HOME}/.ssh/id_ed25519", Access.HIDDEN),
        (f"{HOME}/.netrc", Access.HIDDEN),
        (f"{HOME}/.cache/pip", Access.WRITE),
        ("/etc/passwd", Access.READ),
        ("/run/docker.sock", Access.HIDDEN),
        ("/run/systemd/resolve/resolv.conf", Access.READ),
    ],
)
def test_in_the_users_tree(path: str, access: Access) -> None:
    assert reach(mounts(BWRAP, in_place(), a_machine()), path) is access


@pytest.mark.parametrize(
    ("path", "access"),
    [
        (f"{SLOT}/src/main.c", Access.WRITE),
        (f"{SLOT}/.git", Access.READ),
        (f"{RUN}/exchange/session-0001/summary.md", Access.WRITE),
        (f"{RUN}/exchange/session-0002/summary.md", Access.HIDDEN),
        (f"{RUN}/worktrees/slot-2/src", Access.HIDDEN),
        (f"{RUN}/state.json", Access.HIDDEN),
        (f"{REPO}/src/main.c", Access.READ),
        (f"{GIT}/HEAD", Access.READ),
        (f"{GIT}/hooks", Access.READ),
        (f"{GIT}/objects/ab", Access.WRITE),
        (f"{GIT}/refs/heads/pitboss/grind", Access.WRITE),
        (f"{GIT}/worktrees/slot-1/index.lock", Access.WRITE),
        (f"{GIT}/worktrees/slot-1/commondir", Access.READ),
        (f"{GIT}/worktrees/slot-1/config.worktree", Access.READ),
        (f"{GIT}/worktrees/slot-2/HEAD", Access.READ),
        (f"{GIT}/logs/HEAD", Access.READ),
    ],
)
def test_in_a_working_copy(path: str, access: Access) -> None:
    assert reach(mounts(BWRAP, in_slot(), a_machine()), path) is access


def test_what_is_not_there_is_not_mounted() -> None:
    gone = (f"{GIT}/packed-refs", f"{HOME}/.ssh", "/run", f"{HOME}/.cache")
    paths = {mount.path for mount in mounts(BWRAP, in_place(), a_machine(*gone))}
    assert not paths & set(gone)


def test_without_git_and_without_a_run() -> None:
    ground = Ground(home=HOME, tree=REPO)
    found = mounts(BWRAP, ground, a_machine())
    assert reach(found, GIT) is Access.WRITE


def test_what_is_hidden_by_request_overrules_what_is_writable() -> None:
    settings = SandboxSettings(
        mode=SandboxMode.BWRAP,
        writable=("~/.local/share/pnpm", "/opt/tool", f"{HOME}/.aws"),
        hidden=("~/.cargo", "/opt/tool/keys", REPO),
    )
    found = mounts(settings, in_place(), a_machine())
    assert reach(found, f"{HOME}/.local/share/pnpm/store") is Access.WRITE
    assert reach(found, f"{HOME}/.aws/config") is Access.WRITE
    assert reach(found, "/opt/tool/bin") is Access.WRITE
    assert reach(found, "/opt/tool/keys/one") is Access.HIDDEN
    assert reach(found, f"{HOME}/.cargo/registry/cache") is Access.HIDDEN
    assert reach(found, f"{REPO}/src") is Access.WRITE  # a session without its tree could do nothing


def test_links_lead_to_what_is_mounted() -> None:
    look = a_machine(links={f"{HOME}/.ssh": "/keys/ann"})
    assert reach(mounts(BWRAP, in_place(), look), "/keys/ann/id") is Access.HIDDEN


def test_what_is_needed_shows_through_empty_folders_and_only_there() -> None:
    home, repo = "/tmp/home", "/tmp/repo"
    ground = Ground(
        home=home,
        tree=repo,
        temporary=("/tmp",),
        needed=(home, f"{repo}/.venv/bin", "/usr/bin", "/tmp/tools", "/tmp/secret"),
    )
    settings = SandboxSettings(mode=SandboxMode.BWRAP, hidden=("/tmp/secret",))
    found = mounts(settings, ground, a_machine())
    assert reach(found, "/tmp/other") is Access.EMPTY
    assert reach(found, f"{home}/.profile") is Access.READ
    assert reach(found, f"{home}/.ssh/id") is Access.HIDDEN
    assert reach(found, f"{repo}/.venv/bin/python") is Access.WRITE
    assert reach(found, "/tmp/tools/agent") is Access.READ
    assert reach(found, "/tmp/secret/x") is Access.HIDDEN
    assert "/usr/bin" not in {mount.path for mount in found}


def test_an_agents_own_folder() -> None:
    own = f"{HOME}/.agent"
    folders = AgentFolders(
        sessions=(f"{own}/sessions",), logins=(f"{own}/auth.json",), kept=(f"{own}/sessions/plugins",)
    )
    found = mounts(BWRAP, in_place(agent=folders), a_machine())
    assert reach(found, f"{HOME}/.agent/sessions/1") is Access.WRITE
    assert reach(found, f"{HOME}/.agent/auth.json") is Access.WRITE
    assert reach(found, f"{HOME}/.agent/settings.json") is Access.READ
    assert reach(found, f"{HOME}/.agent/sessions/plugins/x") is Access.READ


def test_a_home_that_is_itself_the_tree_still_hides_its_keys() -> None:
    found = mounts(BWRAP, Ground(home=HOME, tree=HOME), a_machine())
    assert reach(found, f"{HOME}/.vimrc") is Access.WRITE
    assert reach(found, f"{HOME}/.ssh/id") is Access.HIDDEN


def test_what_git_tracks_below_pitboss_can_be_read() -> None:
    found = mounts(BWRAP, in_place(shown=(f"{REPO}/.pitboss/config.toml",)), a_machine())
    assert reach(found, f"{REPO}/.pitboss/config.toml") is Access.READ
    assert reach(found, f"{REPO}/.pitboss/grind/lock") is Access.HIDDEN


def test_a_branch_without_a_folder_shares_that_of_all_branches() -> None:
    git = GitGround(own=GIT, common=GIT, branch="main")
    assert branch_folders(git) == (f"{GIT}/refs/heads", f"{GIT}/logs/refs/heads")


PATHS = st.lists(st.sampled_from(["a", "b", ".ssh", ".cache", "home"]), min_size=1, max_size=4).map(
    lambda names: "/" + "/".join(names)
)


@given(home=PATHS, tree=PATHS, writable=st.lists(PATHS, max_size=3), hidden=st.lists(PATHS, max_size=3))
def test_properties(home: str, tree: str, writable: list[str], hidden: list[str]) -> None:
    settings = SandboxSettings(mode=SandboxMode.BWRAP, writable=tuple(writable), hidden=tuple(hidden))
    found = mounts(settings, Ground(home=home, tree=tree), a_machine())
    paths = [mount.path for mount in found]
    assert len(set(paths)) == len(paths)
    assert paths == sorted(paths, key=lambda path: path.count("/"))
    for path in hidden:
        if not is_within(path, tree):
            inside = [mount for mount in found if is_within(mount.path, path)]
            assert all(mount.access is Access.HIDDEN or is_within(mount.path, tree) for mount in inside)
    may_write = {tree, *writable, *(f"{home}/{name}" for name in CACHES)}
    assert all(mount.path in may_write for mount in found if mount.access is Access.WRITE)
    for name in SECRETS:
        secret = f"{home}/{name}"
        if not any(is_within(secret, each) for each in may_write) and not is_within(tree, secret):
            assert reach(found, secret) is Access.HIDDEN


@pytest.mark.parametrize(
    ("name", "value", "sockets"),
    [
        ("SSH_AUTH_SOCK", "/home/ann/agent.sock", ("/home/ann/agent.sock",)),
        ("DOCKER_HOST", "unix:///home/ann/docker.sock", ("/home/ann/docker.sock",)),
        ("DOCKER_HOST", "tcp://10.0.0.1:2375", ()),
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/home/ann/bus,guid=1", ("/home/ann/bus",)),
        ("GPG_AGENT_INFO", "/home/ann/S.agent:0:1", ("/home/ann/S.agent",)),
        ("WAYLAND_DISPLAY", "wayland-0", ()),
        ("EDITOR", "/usr/bin/vi", ()),
    ],
)
def test_sockets_are_found_by_the_variables_that_name_them(
    name: str, value: str, sockets: tuple[str, ...]
) -> None:
    assert named_sockets({name: value}) == sockets


def test_branches_beside_its_own_and_hooks_in_the_tree_can_only_be_read() -> None:
    kept = (f"{GIT}/refs/heads/pitboss/grind/other", "/home/ann/code/.githooks")
    git = GitGround(own=GIT, common=GIT, branch=BRANCH, kept=kept)
    found = dict(git_rules(git, "/home/ann/code"))
    assert [found[path] for path in kept] == [Access.READ, Access.READ]
    assert found[f"{GIT}/objects/info"] is Access.READ
