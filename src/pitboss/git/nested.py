"""Repositories inside a tree, whatever git makes of them: found, and put away once their work is kept (SPEC 1.2).

Untracked ones, gitlinks, submodules, linked worktrees and bare ones are all treated alike, and so is the folder of a
gitlink that holds files but no repository, as in a working copy: git shows none of them. `nested_work` keeps their
work.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from pitboss.git.baseline import baseline_ns
from pitboss.git.environment import pinned
from pitboss.git.index import may_hold_links
from pitboss.git.move_out import move_out
from pitboss.git.small_files import read_file, text_of
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus

_NO_HOOKS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_LINK_MODE = b"160000"
_BARE = frozenset({"HEAD", "objects", "refs"})
_GITDIR = "gitdir: "
ANYTHING = (0, 1, 128)

Kind = Literal["plain", "link", "worktree", "bare", "hollow"]


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    """A repository at `path`, relative to the outer root; `git_dir` and `common_dir` are where its own git looks.

    `kind`: a `plain` one is untracked outside, so its files land there; a `link` is recorded as one commit, `recorded`
    being the one that work began from; a `worktree` borrows its history; a `bare` one has no files; a `hollow` one is a
    gitlink's folder with files but no repository.
    """

    path: str
    git_dir: Path
    common_dir: Path
    kind: Kind
    recorded: str | None = None

    @property
    def shown(self) -> str:
        """Its path, printable."""
        return os.fsencode(self.path).decode(errors="replace")


# Finding


def unique(found: Iterable[Inner]) -> list[Inner]:
    """The first one found at each path."""
    seen: dict[str, Inner] = {}
    for inner in found:
        seen.setdefault(inner.path, inner)
    return list(seen.values())


def outermost(found: Iterable[Inner]) -> list[Inner]:
    """Those not inside any of the others."""
    every = list(found)
    return [inner for inner in every if not any(inner.path.startswith(f"{each.path}/") for each in every)]


def may_hold_work(repo: Repo, commit: str) -> bool:
    """Whether a working copy, which began at `commit`, may have work in gitlinks that git status does not show."""
    return _has_submodules(repo) or _may_have_links(repo, commit)


def _has_submodules(repo: Repo) -> bool:
    """Whether submodules were ever checked out in this working tree."""
    return repo.inside("modules").is_dir()


def at(repo: Repo, path: str) -> Inner | None:
    """The repository at the folder `path`; None if there is none that git could use."""
    place = repo.root / path.rstrip("/")
    bare = not os.path.lexists(place / ".git")
    git_dir = place if bare else _pointed_at(place / ".git")
    if git_dir is None or not (git_dir / "HEAD").is_file() or not _is_whole(git_dir):
        return None
    common = (
        git_dir / text_of(git_dir / "commondir").strip("\n") if (git_dir / "commondir").is_file() else git_dir
    )
    kind: Kind = "plain" if common == git_dir else "worktree"
    return Inner(
        path=path.rstrip("/"), git_dir=git_dir, common_dir=common.resolve(), kind="bare" if bare else kind
    )


def new_ones(repo: Repo, others: Sequence[str]) -> list[Inner]:
    """Repositories among untracked files, as `snapshot.others` lists them, and any inside those."""
    bare = [path.removesuffix("/HEAD") for path in others if path.endswith("/HEAD")]
    folders = [*(path for path in others if path.endswith("/")), *bare]
    return unique(inner for folder in folders for inner in below(repo, folder))


def linked_ones(repo: Repo, status: TreeStatus, base: str, *, everywhere: bool) -> list[Inner]:
    """Gitlinks' repositories with work since `base`, according to status or index, and any inside those.

    `everywhere`: all gitlinks, since every branch, stash and file inside them is about to go.
    """
    moved = status.head != base
    used = everywhere and _has_submodules(repo)
    if not (status.submodules or used or ((moved or everywhere) and _may_have_links(repo, base))):
        return []
    before, now = _links(repo, "ls-tree", "-r", "-z", base), _links(repo, "ls-files", "-z", "--stage")
    changed = {path for path, oid in now.items() if before.get(path) != oid}
    found = _hollow_ones(repo, now) if everywhere else []
    for path in sorted(
        {*status.submodules, *changed, *(now if used else ()), *(each.path for each in found)}
    ):
        found += of_link(repo, path, before.get(path))
    return unique(found)


def of_link(repo: Repo, path: str, recorded: str | None) -> list[Inner]:
    """The repository of the gitlink at `path` and any inside it, outermost first."""
    found = below(repo, path)
    known = _recorded_in(repo, found, {path: recorded} if recorded else {})
    return [
        inner if inner.kind == "bare" else replace(inner, kind="link", recorded=known.get(inner.path))
        for inner in found
    ]


def _recorded_in(repo: Repo, found: Sequence[Inner], known: Mapping[str, str]) -> dict[str, str]:
    """Commits by path: those that are `known`, and what these record of repositories `found` inside, outermost first.

    A submodule's own submodules are in no commit of the outermost repository.
    """
    recorded = dict(known)
    for inner, others in ((inner, found[nth + 1 :]) for nth, inner in enumerate(found)):
        commit = recorded.get(inner.path)
        if commit is not None and any(other.path.startswith(f"{inner.path}/") for other in others):
            listed = repo.run("ls-tree", "-r", "-z", commit, env=within(repo, inner), ok=ANYTHING).stdout
            recorded |= {f"{inner.path}/{path}": oid for path, oid in _links_in(listed).items()}
    return recorded


def _hollow_ones(repo: Repo, links: Iterable[str]) -> list[Inner]:
    """Gitlinks whose folders hold files newer than the baseline, but no repository."""
    since_ns = baseline_ns(repo)
    if since_ns is None:
        return []
    places = ((path, repo.root / path) for path in sorted(links) if at(repo, path) is None)
    return [
        Inner(path=path, git_dir=place, common_dir=place, kind="hollow")
        for path, place in places
        if not place.is_symlink() and _has_newer(place, since_ns)
    ]


def _has_newer(folder: Path, since_ns: int) -> bool:
    return any(
        os.lstat(os.path.join(place, name)).st_ctime_ns >= since_ns  # noqa: PTH118 - may be many
        for place, _, files in os.walk(folder)
        for name in files
    )


def without_place(repo: Repo, found: Iterable[Inner], commit: str) -> list[Inner]:
    """Those that are gitlinks now, but not in `commit`, nor in what it records of those around them."""
    links = [inner for inner in found if inner.kind == "link"]
    there = _recorded_in(repo, links, _links(repo, "ls-tree", "-r", "-z", commit)) if links else {}
    return [inner for inner in links if inner.path not in there]


def below(repo: Repo, folder: str) -> list[Inner]:
    """Every repository at or below a folder, outermost first; symbolic links are not followed."""
    top = repo.root / folder
    found = []
    for place, folders, files in os.walk(top):
        names = {*folders, *files}
        if ".git" in names or names >= _BARE:
            inner = at(repo, os.path.relpath(place, repo.root))
            found += [inner] if inner is not None else []
        passed = {".git", PITBOSS_FOLDER} if Path(place) == repo.root else {".git"}
        folders[:] = [] if names >= _BARE else sorted(set(folders) - passed)
    return [inner for inner in found if inner.path != "."]


# Putting away


def move_away(repo: Repo, inner: Inner, keep_in: Path) -> None:
    """Move a repository, whole, to `keep_in`."""
    move_out(repo.root, inner.path, keep_in)


def put_away(repo: Repo, inner: Inner, keep_in: Path) -> None:
    """Move a repository whose work is kept to `keep_in`: all of a gitlink's, only the `.git` if its files have landed.

    Submodules stay: their history is in the outer git directory.
    """
    place = repo.root / inner.path
    if inner.kind == "link" and inner.git_dir == place / ".git":
        move_away(repo, inner, keep_in)
        place.mkdir()
    elif inner.kind == "plain" and os.path.lexists(place / ".git"):
        move_out(repo.root, f"{inner.path}/.git", keep_in)


def put_back(repo: Repo, inner: Inner, commit: str) -> None:
    """Check out `commit` in a submodule, leaving its tree clean; its work must already be kept.

    One whose history lies outside the outer repository is left alone: it may be anyone's.
    """
    found = repo.inner(inner.path)
    if found is not None:
        checkout = ("checkout", "--quiet", "--force", "--detach", commit, "--")
        found.git(*_NO_HOOKS, *checkout, ok=ANYTHING)
        found.git(*_NO_HOOKS, "clean", "-f", "-d", "-q", ok=ANYTHING)


# On disk


def within(repo: Repo, inner: Inner) -> dict[str, str]:
    """The environment of git calls of `repo` that are about a repository inside it."""
    return pinned(repo.root / inner.path, inner.git_dir, inner.common_dir)


def _links(repo: Repo, *listing: str) -> dict[str, str]:
    """Gitlinks by path, as `ls-tree` or `ls-files --stage` list them."""
    return _links_in(repo.git(*listing))


def _links_in(listed: bytes) -> dict[str, str]:
    lines = listed.split(b"\0")
    found = (line.partition(b"\t") for line in lines if line.startswith(_LINK_MODE))
    return {os.fsdecode(path): _oid(about.split()) for about, _, path in found}


def _oid(words: list[bytes]) -> str:
    return next(word.decode() for word in words[1:] if len(word) >= 40)


def _may_have_links(repo: Repo, commit: str) -> bool:
    """Whether the index may hold a gitlink; `commit` is any in the repository, to tell its kind of hash."""
    try:
        content = read_file(repo.inside("index"))[0]
    except OSError:
        return True
    return may_hold_links(content, hash_bytes=len(commit) // 2)


def _pointed_at(link: Path) -> Path | None:
    """The git directory that a `.git` is or points to."""
    if link.is_dir():
        return link
    said = text_of(link).strip("\n")
    return link.parent / said.removeprefix(_GITDIR) if said.startswith(_GITDIR) else None


def _is_whole(git_dir: Path) -> bool:
    return (git_dir / "commondir").is_file() or (
        (git_dir / "objects").is_dir() and (git_dir / "refs").is_dir()
    )
