"""The words before a command line (SPEC 13)."""

from __future__ import annotations

from pitboss.core.sandbox.fence import Fence, bwrap_fence, wrapper_fence
from pitboss.core.sandbox.ground import Access, PathKind
from pitboss.core.sandbox.policy import Mount

ALWAYS = [
    *(
        "/usr/bin/bwrap",
        "--die-with-parent",
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--cap-drop",
        "ALL",
    ),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *(
        "--ro-bind-try",
        "/proc/sys",
        "/proc/sys",
        "--ro-bind-try",
        "/proc/sysrq-trigger",
        "/proc/sysrq-trigger",
    ),
]


def test_every_kind_of_mount_in_order_and_hidden_folders_sealed_at_the_end() -> None:
    fence = bwrap_fence(
        "/usr/bin/bwrap",
        (
            Mount("/tmp", Access.EMPTY),
            Mount("/h/.ssh", Access.HIDDEN),
            Mount("/h/.netrc", Access.HIDDEN, PathKind.FILE),
            Mount("/h/repo", Access.WRITE),
            Mount("/h/repo/.git/config", Access.READ, PathKind.FILE),
        ),
        network=True,
    )
    assert fence.layers == 2
    assert list(fence.argv) == [
        *ALWAYS,
        *("--tmpfs", "/tmp"),
        *("--tmpfs", "/h/.ssh"),
        *("--dev-bind", "/dev/null", "/h/.netrc"),
        *("--bind", "/h/repo", "/h/repo"),
        *("--ro-bind-try", "/h/repo/.git/config", "/h/repo/.git/config"),
        *("--remount-ro", "/h/.ssh"),
    ]


def test_without_a_network() -> None:
    assert list(bwrap_fence("/usr/bin/bwrap", (), network=False).argv) == [*ALWAYS, "--unshare-net"]


def test_a_wrapper_is_told_where_things_are() -> None:
    values = {"worktree": "/w", "home": "/h", "git": "/g", "session": "/s"}
    command = ("docker", "run", "-v", "{worktree}:{worktree}", "{home}{git}", "{session}", "{else}")
    assert wrapper_fence(command, values) == Fence(
        argv=("docker", "run", "-v", "/w:/w", "/h/g", "/s", "{else}"), layers=0
    )
