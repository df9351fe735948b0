"""Takes over what a stand-in gathered: a folder where git worked while its own had been moved (SPEC 1.2, 1.6).

Git that began before the move ends there, and an agent may have made a new repository in it. The objects are copied.
Pitboss's own branches that moved on there move on here. Commits that nothing else names get rescue refs.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git import commits
from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS
from pitboss.git.small_files import content_of, text_of
from pitboss.landing import rescue_refs
from pitboss.landing.refs import RUN_BRANCHES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.git.repo import Repo

_OBJECT = lazy_pattern(r"[0-9a-f]{2}/[0-9a-f]{38,62}|pack/pack-[0-9a-f]+\.(?:pack|idx|rev)")
_OID = lazy_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OWN = f"refs/heads/{RUN_BRANCHES}"


def take_over(repo: Repo, run_id: str, seq: int, folder: Path) -> tuple[str, ...]:
    """Keep what is work in a folder; returns session `seq`'s rescue refs if it needed one. Raises GitError, OSError."""
    _copy_objects(folder / "objects", repo.common_dir / "objects")
    named = dict(_refs(folder))
    for name, oid in named.items():
        if name.startswith(_OWN):
            _move_on(repo, name, oid)
    known = repo.git("for-each-ref", "--format=%(objectname)").decode().split()
    loose = commits.outside(repo, tuple(named.values()), *known)
    why = "committed while the git directory was elsewhere"
    return rescue_refs.keep(repo, run_id, seq, loose, why=why) if loose else ()


def _copy_objects(source: Path, target: Path) -> None:
    """Give git the objects that it lacks, an index only after its pack."""
    if source.is_symlink():
        return
    for folder, _, names in os.walk(source):
        for name in sorted(names, key=lambda name: (name.endswith(".idx"), name)):
            path = os.path.join(folder, name)  # noqa: PTH118 - there may be many
            inside = os.path.relpath(path, source)
            if _OBJECT.fullmatch(inside) and os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
                _copy(path, target / inside)


def _copy(path: str, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    fresh = target.with_name(f"tmp_obj_{os.getpid()}")
    shutil.copyfile(path, fresh)
    fresh.chmod(0o444)
    fresh.replace(target)


def _refs(folder: Path) -> Iterator[tuple[str, str]]:
    """The refs in a folder's files, HEAD among them, and the commits that they say they are at."""
    yield from _whole("HEAD", content_of(folder / "HEAD").decode(errors="replace"))
    for line in text_of(folder / "packed-refs").splitlines():
        oid, _, name = line.partition(" ")
        yield from _whole(name, oid)
    for place, _, names in os.walk(folder / "refs"):
        for name in names:
            path = folder / place / name
            yield from _whole(str(path.relative_to(folder)), content_of(path).decode(errors="replace"))


def _whole(name: str, said: str) -> Iterator[tuple[str, str]]:
    oid = said.strip()
    if _OID.fullmatch(oid):
        yield name, oid


def _move_on(repo: Repo, ref: str, oid: str) -> None:
    """Move a branch of pitboss's forward, as it was moved in the stand-in."""
    here = repo.commit_id(ref)
    if repo.commit_id(oid) == oid and (here is None or repo.is_ancestor(here, oid)):
        repo.git(*NO_HOOKS, "update-ref", ITSELF, "-m", "pitboss: moved back", ref, oid, here or "")
