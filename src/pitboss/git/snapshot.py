"""Commits the whole working tree, and puts a tree back to a commit: rescue before reset (SPEC 1.2, 6)."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pitboss.git import raw
from pitboss.git.access import with_access
from pitboss.git.errors import GitError, refused_paths
from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS, WITHOUT_PITBOSS
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus

_ADD = ("-c", "core.safecrlf=false", "add", "--all", "--sparse")
_OPERATIONS = (
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "MERGE_HEAD",
    "MERGE_MODE",
    "MERGE_MSG",
    "MERGE_RR",
    "MERGE_AUTOSTASH",
    "AUTO_MERGE",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "SQUASH_MSG",
    "BISECT_LOG",
)
_AUTOSTASHES = ("rebase-merge/autostash", "rebase-apply/autostash", "MERGE_AUTOSTASH")
_UNDERWAY = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


def stage(
    repo: Repo, status: TreeStatus, others: Sequence[str] | None = None, *, anyhow: bool = False
) -> None:
    """Put every changed and untracked file into the index, except ignored ones and pitboss's folder.

    Repositories that appeared inside the tree are taken in as plain files: git itself would record a bare
    reference to them, or refuse when they hold no commit. Linked worktrees are left alone. With `anyhow`, files that
    git cannot convert as attributes ask go in as they are; otherwise they raise GitError.
    """
    if not status.new_folders and _stage_named(repo, status.few_paths):
        return
    others = new_paths(repo, status) if others is None else others
    nested = [path for path in others if path.endswith("/")]
    kept_out = [WITHOUT_PITBOSS] if status.pitboss_visible else []
    kept_out += [f":(exclude,top,literal){folder}" for folder in nested]
    _add(repo, kept_out, anyhow=anyhow)
    for folder in nested:
        if not is_linked_worktree(repo.root / folder):
            repo.git("read-tree", f"--prefix={folder}", tree_of(repo, repo.root / folder))


def _add(
    repo: Repo,
    kept_out: Sequence[str],
    *,
    where: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    anyhow: bool,
) -> None:
    """Add all but what the pathspecs `kept_out` name; `where` goes before git's command."""
    try:
        # If a named path is ignored, git exits with 1 although it added the rest; real errors exit with 128.
        here = ["--", ".", *kept_out] if kept_out or where else []
        with_access(repo, *where, *_ADD, *here, env=env, ok=(0, 1))
    except GitError as error:
        if not anyhow or not error.cannot_convert:
            raise
        encoded = raw.encoded(repo, where=where, env=env)
        specs = [".", *kept_out, *(f":(exclude,top,literal){path}" for path in encoded)]
        by_file = ("--pathspec-from-file=-", "--pathspec-file-nul")
        named = os.fsencode("\0".join(specs))
        with_access(repo, *where, *_ADD, *by_file, stdin=named, env=env, ok=(0, 1))
        raw.stage(repo, raw.changed(repo, encoded, where=where, env=env), where=where, env=env)


def refused(repo: Repo) -> list[str]:
    """Paths that git takes into no commit, such as `.GIT/config`, or `.gitmodules` as a link. Raises GitError."""
    with scratch_index(repo, "refused") as env:
        done = repo.run(*_ADD, "--ignore-errors", "--", ".", WITHOUT_PITBOSS, env=env, ok=(0, 1))
    return refused_paths(os.fsdecode(done.stderr))


def _stage_named(repo: Repo, paths: Iterable[str]) -> bool:
    """Stage paths by name, which spares git a second look at the whole tree; False if that cannot be done."""
    named = b"\0".join(os.fsencode(path) for path in paths)
    by_name = ("--pathspec-from-file=-", "--pathspec-file-nul")
    # Git exits with 1 for a tracked file that was deleted from an ignored folder.
    return (
        bool(named)
        and repo.run("--literal-pathspecs", *_ADD, *by_name, stdin=named, ok=(0, 1, 128)).code == 0
    )


def snapshot(repo: Repo, status: TreeStatus, *, message: str, base: str) -> str:
    """Commit the whole tree on top of HEAD, or of `base` if there is no HEAD; on no branch."""
    stage(repo, status, anyhow=True)
    tree = repo.line("write-tree")
    return repo.commit_tree(tree, parent=status.head or base, message=message)


def work(repo: Repo, status: TreeStatus, *, message: str, base: str) -> list[str]:
    """The same, or none if nothing differs from that: git's cache may name a new file that is gone (`status_call`)."""
    made = snapshot(repo, status, message=message, base=base)
    return [made] if not repo.succeeds("diff-tree", "--quiet", status.head or base, made, "--") else []


def put_back(repo: Repo, branch: str, target: str) -> None:
    """Check out `branch` at `target` with a clean tree; ignored files and pitboss's folder stay as they are.

    Whatever this overwrites or deletes must already be reachable. Files are written one by one rather than by
    `reset --hard`: that would revert pitboss's folder if it is tracked, and delete ignored files that were added to
    the index.
    """
    ref = f"refs/heads/{branch}"
    repo.git(*NO_HOOKS, "update-ref", ITSELF, "-m", "pitboss: put back", ref, target)
    repo.git(*NO_HOOKS, "symbolic-ref", "-m", f"pitboss: back to {branch}", "HEAD", ref)
    put_back_files(repo, target)


def put_back_files(repo: Repo, target: str) -> None:
    """The same for index and files alone: HEAD and its branch stay where they are, even if they are not at `target`."""
    abandon_operations(repo)
    repo.git(*NO_HOOKS, "read-tree", "--reset", target)
    _put_back_attributes(repo)
    _check_out(repo, repo.git("ls-files", "-z", "--modified", "--", ".", WITHOUT_PITBOSS))


def undo(repo: Repo, branch: str, target: str) -> None:
    """Undo whatever was done since `branch` was checked out at `target`, new files included; nothing of it is kept."""
    status = repo.status()
    if status.dirty or (status.head, status.branch) != (target, branch):
        put_back(repo, branch, target)
        clean(repo)


def _put_back_attributes(repo: Repo) -> None:
    """Leave only the index's `.gitattributes` in the tree: git obeys the ones it finds there as it writes files."""
    asked = (
        "--modified",
        "--others",
        "--exclude-standard",
        "--",
        ":(glob)**/.gitattributes",
        WITHOUT_PITBOSS,
    )
    listed = repo.git("ls-files", "-z", "-t", *asked).split(b"\0")
    for line in filter(None, listed):
        if line.startswith(b"? "):
            with suppress(OSError):  # in a folder without permissions, which is deleted with everything in it
                (repo.root / os.fsdecode(line[2:])).unlink()
    _check_out(repo, b"".join(line[2:] + b"\0" for line in listed if line and not line.startswith(b"? ")))


def _check_out(repo: Repo, paths: bytes) -> None:
    if paths:
        with_access(repo, *NO_HOOKS, "checkout-index", "-f", "-u", "-q", "-z", "--stdin", stdin=paths)


def clean(repo: Repo) -> None:
    """Delete untracked files; ignored ones, nested repositories and pitboss's folder stay."""
    with_access(repo, "clean", "-f", "-d", "-q", "-e", f"/{PITBOSS_FOLDER}")


def abandon_operations(repo: Repo) -> None:
    """Forget an unfinished merge, rebase, cherry-pick or bisect; refs and stash are not touched."""
    there = set(os.listdir(repo.git_dir))  # noqa: PTH208 - one look for all
    if there.isdisjoint(_OPERATIONS):
        return
    import shutil

    if repo.inside("BISECT_LOG").exists():
        repo.git("bisect", "reset", "HEAD", ok=(0, 1))
    for name in _OPERATIONS:
        path = repo.inside(name)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def operation_underway(repo: Repo) -> str | None:
    """The unfinished merge, rebase, cherry-pick, revert or bisect, in one word."""
    return next((word for name, word in _UNDERWAY.items() if repo.inside(name).exists()), None)


def autostashes(repo: Repo) -> list[str]:
    """Work that an unfinished rebase or merge has stashed away."""
    files = (repo.inside(name) for name in _AUTOSTASHES)
    return [file.read_text().strip() for file in files if file.is_file()]


def others(repo: Repo) -> list[str]:
    """Untracked paths that are not ignored, except pitboss's folder; repositories are folders ending with a slash."""
    listed = os.fsdecode(repo.git("ls-files", "-z", "--others", "--exclude-standard")).split("\0")
    return [path for path in listed if path.partition("/")[0] not in ("", PITBOSS_FOLDER)]


def new_paths(repo: Repo, status: TreeStatus) -> list[str]:
    """The same if a status reports untracked folders; otherwise empty, without asking git."""
    return others(repo) if status.new_folders else []


def is_linked_worktree(folder: Path) -> bool:
    """Whether a folder is a linked worktree, which only borrows a repository's history."""
    link = folder / ".git"
    try:
        named = os.fsdecode(link.read_bytes()).removeprefix("gitdir: ").rstrip("\n")
    except OSError:
        return False
    return (folder / named / "commondir").is_file()


def changes(repo: Repo, older: str, newer: str) -> frozenset[bytes]:
    """What differs between two trees, one opaque item per path."""
    fields = repo.git("diff-tree", "-r", "-z", "--no-renames", older, newer, "--").split(b"\0")
    return frozenset(meta + b"\0" + path for meta, path in zip(fields[0::2], fields[1::2], strict=False))


def untracked(repo: Repo) -> frozenset[str]:
    """Untracked files that are not ignored, except pitboss's folder and nested repositories."""
    return frozenset(path for path in others(repo) if not path.endswith("/"))


def paths(repo: Repo, commits: Iterable[str]) -> frozenset[str]:
    """All files that these commits hold."""
    listed = (os.fsdecode(repo.git("ls-tree", "-r", "-z", "--name-only", oid)).split("\0") for oid in commits)
    return frozenset(path for names in listed for path in names)


def tree_of(repo: Repo, folder: Path, *, base: str | None = None) -> str:
    """A folder's files as a tree in `repo`, with repositories inside it taken in as plain files.

    The folder may be a repository itself, or half made: its `.git` is never used. Files that `base` holds count even
    if ignored.
    """
    here = ("-C", str(folder))
    with scratch_index(repo, str(len(folder.parts))) as index:
        env = {"GIT_DIR": str(repo.git_dir), "GIT_WORK_TREE": str(folder), **index}
        if base is not None:
            repo.git("read-tree", base, env=env)
        listed = os.fsdecode(repo.git(*here, "ls-files", "-z", "--others", "--exclude-standard", env=env))
        inner = [path for path in listed.split("\0") if path.endswith("/")]
        kept_out = [f":(exclude,top,literal){path}" for path in inner]
        _add(repo, kept_out, where=here, env=env, anyhow=True)
        for path in inner:
            if not is_linked_worktree(folder / path):
                repo.git(*here, "read-tree", f"--prefix={path}", tree_of(repo, folder / path), env=env)
        return os.fsdecode(repo.git(*here, "write-tree", env=env)).strip()


@contextmanager
def scratch_index(repo: Repo, name: str) -> Iterator[dict[str, str]]:
    """The variable that gives git a private index within the context: several threads share one git directory."""
    index = repo.inside(f"pitboss-index-{os.getpid()}-{threading.get_native_id()}-{name}")
    try:
        yield {"GIT_INDEX_FILE": str(index)}
    finally:
        index.unlink(missing_ok=True)
