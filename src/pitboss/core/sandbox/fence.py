"""The words that come before a program's command line, so that it runs inside a sandbox (SPEC 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.sandbox.ground import Access, PathKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pitboss.core.sandbox.policy import Mount

BWRAP = "bwrap"
BWRAP_LAYERS = 2
"""The processes between us and the program: the one that waits outside, and the first of the new namespace."""

PLACEHOLDERS = ("worktree", "home", "git", "session")
"""What a wrapper of the user's own can be told: the session's tree, the home directory, git's folder, and the folder
of the files that the session exchanges with the run."""

_ALWAYS = (
    *("--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *(
        "--ro-bind-try",
        "/proc/sys",
        "/proc/sys",
        "--ro-bind-try",
        "/proc/sysrq-trigger",
        "/proc/sysrq-trigger",
    ),
)


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """What is put before a command line; `layers` processes stand between ours and the program, and are to go last."""

    argv: tuple[str, ...]
    layers: int = 0


def bwrap_fence(program: str, mounts: Iterable[Mount], *, network: bool) -> Fence:
    """Bubblewrap with these mounts, in order; without `network` there is only a loopback of its own."""
    mounts = tuple(mounts)
    words = [word for mount in mounts for word in _mounted(mount)]
    sealed = [word for mount in mounts if _is_sealed(mount) for word in ("--remount-ro", mount.path)]
    return Fence(
        argv=(program, *_ALWAYS, *(() if network else ("--unshare-net",)), *words, *sealed),
        layers=BWRAP_LAYERS,
    )


def wrapper_fence(command: Iterable[str], values: Mapping[str, str]) -> Fence:
    """A wrapper of the user's own, with `values` for its placeholders."""
    return Fence(argv=tuple(_filled(word, values) for word in command))


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name in PLACEHOLDERS:
        word = word.replace(f"{{{name}}}", values[name])
    return word


def _mounted(mount: Mount) -> Iterator[str]:
    match mount.access, mount.kind:
        case Access.READ, _:
            # What goes away meanwhile, such as the branch of a session that has just landed, needs no guard.
            yield from ("--ro-bind-try", mount.path, mount.path)
        case Access.WRITE, _:
            yield from ("--bind", mount.path, mount.path)
        case Access.HIDDEN, PathKind.FILE:
            yield from ("--dev-bind", "/dev/null", mount.path)
        case _:
            yield from ("--tmpfs", mount.path)


def _is_sealed(mount: Mount) -> bool:
    """Whether nothing may be written into it, once what is mounted inside it is."""
    return mount.access is Access.HIDDEN and mount.kind is PathKind.FOLDER
