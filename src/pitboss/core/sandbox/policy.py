"""What each path becomes inside the sandbox (SPEC 13).

The deeper path has the last word, and of two rules for one path the later. What is not there is left out: nothing is
made on the disk for a mount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.sandbox.git_policy import git_rules
from pitboss.core.sandbox.ground import Access, PathKind
from pitboss.core.sandbox.secrets import CACHES, SECRETS, SOCKETS, USED_OF_SOCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pitboss.core.config import SandboxSettings
    from pitboss.core.sandbox.ground import Ground, Look


class Mount(msgspec.Struct, frozen=True):
    """One path, with all links resolved, and what becomes of it."""

    path: str
    access: Access
    kind: PathKind = PathKind.FOLDER


def mounts(settings: SandboxSettings, ground: Ground, look: Look) -> tuple[Mount, ...]:
    """What becomes of the file system, in the order of mounting; everything else may be read."""
    banned = [spot.path for path in _expanded(settings.hidden, ground.home) if (spot := look(path))]
    found: dict[str, Mount] = {}
    for path, access in _machine(settings, ground):
        spot = look(path)
        if spot is not None and not any(is_within(spot.path, hidden) for hidden in banned):
            _put(found, Mount(spot.path, access, spot.kind))
    for path, access in (*((path, Access.HIDDEN) for path in banned), *_session(ground)):
        if (spot := look(path)) is not None:
            _put(found, Mount(spot.path, access, spot.kind))
    for spot in filter(None, map(look, ground.needed)):
        if not any(is_within(spot.path, hidden) for hidden in banned) and _is_gone(spot.path, found):
            _put(found, Mount(spot.path, Access.READ, spot.kind))
    return tuple(sorted(found.values(), key=lambda mount: _depth(mount.path)))


def _depth(path: str) -> int:
    return len(path.split("/")) if path != "/" else 0


def is_within(path: str, folder: str) -> bool:
    """Whether a path is that folder, or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_gone(path: str, found: Mapping[str, Mount]) -> bool:
    """Whether nothing can be seen at a path, by the rules found."""
    around = [mount for mount in found.values() if is_within(path, mount.path)]
    deepest = max(around, key=lambda mount: _depth(mount.path), default=None)
    return deepest is not None and deepest.access in (Access.EMPTY, Access.HIDDEN)


def _machine(settings: SandboxSettings, ground: Ground) -> Iterator[tuple[str, Access]]:
    """The rules that `hidden` overrules."""
    home = ground.home
    yield from _each(SOCKETS, Access.HIDDEN)
    yield from _each(USED_OF_SOCKETS, Access.READ)
    yield from _each(ground.temporary, Access.EMPTY)
    yield from _each(_below(home, SECRETS), Access.HIDDEN)
    yield from _each(ground.sockets, Access.HIDDEN)
    yield from _each(_below(home, CACHES), Access.WRITE)
    yield from _each(_expanded(settings.writable, home), Access.WRITE)
    yield from _each((*ground.agent.sessions, *ground.agent.logins), Access.WRITE)
    yield from _each(ground.agent.kept, Access.READ)


def _session(ground: Ground) -> Iterator[tuple[str, Access]]:
    """The rules without which a session cannot work, or could undo what others did."""
    yield from _each(ground.private, Access.HIDDEN)
    yield ground.tree, Access.WRITE
    if ground.git is not None:
        yield from git_rules(ground.git, ground.tree)
    if ground.pitboss is not None:
        yield ground.pitboss, Access.HIDDEN
        yield from _each(ground.shown, Access.READ)
        yield from _each(ground.lent, Access.WRITE)


def _put(found: dict[str, Mount], mount: Mount) -> None:
    found.pop(mount.path, None)  # so that the later one also comes later
    found[mount.path] = mount


def _each(paths: Iterable[str], access: Access) -> Iterator[tuple[str, Access]]:
    return ((path, access) for path in paths)


def _below(home: str, names: Iterable[str]) -> Iterator[str]:
    return (f"{home.rstrip('/')}/{name}" for name in names)


def _expanded(paths: Iterable[str], home: str) -> Iterator[str]:
    return (home.rstrip("/") + path[1:] if path.startswith("~/") else path for path in paths)
