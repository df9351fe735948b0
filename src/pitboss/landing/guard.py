"""Git's config, attributes, hooks and directory as the run found them, checked after each session (SPEC 1.6).

A check costs some tens of file stats. What was found is kept in the run directory for a resumed run to compare with,
and so are the changed versions that were replaced.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.measures import first_few
from pitboss.git.errors import GitError
from pitboss.git.home import KnownHome
from pitboss.git.layout import Layout
from pitboss.git.whereabouts import HOOKS
from pitboss.landing.found_files import (
    LARGEST,
    Found,
    move_aside,
    paths_below,
    put_found,
    read_found,
)
from pitboss.landing.kept_rescues import KeptRescues
from pitboss.landing.refs import REF_FOLDERS
from pitboss.landing.shared_refs import SharedRefs, changed_at
from pitboss.landing.users_refs import UsersRefs
from pitboss.store.backup import kept_in_git
from pitboss.store.files import make_directory, read_regular, write_atomic
from pitboss.store.stamps import stamp_in
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.git.repo import Repo
    from pitboss.landing.kept_hooks import KeptHooks

FOLDER = "git-settings"
"""In the run directory: what was found, and the changed versions that were replaced."""

_FOUND = "found.json"
_HOMES = "homes.json"
_REFS = "refs.json"
_RESCUES = "rescues.json"
_MOST_BYTES = 1024 * 1024
_MOST_SAVED = 16 * LARGEST
_MOST_NAMED = 5
_MOST_DEEPER = 500
"""Of files in the folders inside one of hooks: git itself runs none of them."""
_MOST_LOOKS = 4
"""How often to look again while something still changes; the rest waits for the next check."""
_OF_WORKTREE = "config.worktree"
_CONFIGS = ("config", _OF_WORKTREE)
_WORKTREES = "worktrees/"
_HOOKS = "hooks"
_OWN_HOOKS = "hooks of core.hooksPath"


def _among_hooks(folder: Path) -> Iterator[str]:
    deeper = 0
    for name in paths_below(folder):
        deeper += "/" in name
        if deeper > _MOST_DEEPER:
            return
        if not name.endswith(".sample"):
            yield name


class Guard:
    """Watches over one repository for a run whose directory is `run`; safe to call from several threads.

    If its sessions are `fenced`, also over what their sandbox leaves open of git's refs. None works in the user's tree
    if they work `apart`.
    """

    def __init__(self, repo: Repo, run: Path, *, fenced: bool = False, apart: bool = False) -> None:
        self._repo = repo
        self._folder = run / FOLDER
        self._lock = threading.Lock()
        self._begun = self._clean = 0
        """How many checks have begun, and the number of the last one that found everything as it was."""
        self._run_id = run.name
        self._layout = Layout(repo, REF_FOLDERS, mark=kept_in_git(run.name))
        self._refs = SharedRefs(repo, run.name, self._folder / _REFS)
        self._rescues = KeptRescues(repo, run.name, self._folder / _RESCUES)
        self._apart = apart
        self._users = UsersRefs(repo, run.name, apart=apart)
        self._fenced = fenced
        self.kept_hooks = _kept_hooks(repo, run) if fenced else None
        """Those in the tree, if sessions are fenced."""
        self._is_linked = repo.git_dir != repo.root / ".git"
        self._worktrees = repo.common_dir / _WORKTREES
        self._said_of_hooks = repo.hooks
        self._hooks: dict[str, Path] = {}
        self._paths: dict[str, Path] = {}
        self._found: dict[str, Found] = {}
        self._seen: dict[str, tuple[int, ...]] = {}

    def begin(self) -> None:
        """Take everything as it is now to be the user's own, and remember it in the run directory."""
        self._take()
        self._save()
        self._keep()
        write_atomic(self._folder / _HOMES, msgspec.json.encode(self._layout.homes()), durable=False)

    def bring_back(self, gone_at: float) -> tuple[str, ...]:
        """Put back a git directory that a session which was cut short moved; `gone_at` as for `resume`.

        Returns the warnings. Runs no git.
        """
        content = read_regular(self._folder / _HOMES, _MOST_BYTES)
        try:
            homes = () if content is None else from_json(content, tuple[KnownHome, ...])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ()
        return tuple(self._layout.bring_back(homes, gone_at, self._set_aside))

    def resume(self, gone_at: float) -> tuple[str, ...]:
        """Go on from what the run found when it began; put back what a session that was cut short changed.

        `gone_at` is when the run's last process was gone, in seconds since the epoch: later changes are the user's.
        Returns the warnings. Raises RepositoryGone.
        """
        saved = self._saved()
        warnings = self._compared(saved, gone_at)
        if warnings:
            warnings += self._compared(saved, gone_at)  # the hooks may be somewhere else now
        self._save()
        warnings += tuple(self._refs.resume(gone_at, self._set_aside))
        self._layout.keep_lists()
        self._rescues.resume(gone_at)
        warnings += tuple(self._rescues.check())
        self._keep()
        return warnings

    def _keep(self) -> None:
        """Note what the user's refs hold, what a sandbox leaves open, and what git runs outside."""
        self._users.begin()
        if self.kept_hooks is not None:
            self._refs.begin()
            self.kept_hooks.keep()

    def _take(self) -> None:
        self._layout.begin()
        self._hooks, self._paths = self._find_hooks(), {}
        self._seen = self._look()
        self._found = {name: found for name in self._names() if (found := self._read(name))}

    def _compared(self, saved: dict[str, Found] | None, gone_at: float) -> tuple[str, ...]:
        self._take()
        if saved is None:
            return ()
        for name in {**saved, **self._found}:
            if self._changed_at(name) > gone_at:
                continue
            if name in saved:
                self._found[name] = saved[name]
            else:
                self._found.pop(name, None)
            self._seen[name] = ()  # equal neither to any file nor to none
        return self._checked()

    def check(self, seq: int = 0) -> tuple[str, ...]:
        """Put back what must not have changed since the last look; returns the warnings.

        Work that is found on the way is rescued for session `seq`. Raises RepositoryGone if the repository is gone.
        One check serves all that wait for it.
        """
        begun = self._begun
        with self._lock:
            if self._clean > begun:
                return ()  # a check that began after this call found everything as it was
            self._begun += 1
            warnings = (
                *self._checked(seq),
                *self._checked_refs(),
                *self._users.check(seq),
                *self._rescues.check(),
            )
            if not warnings:
                self._clean = self._begun
            return warnings

    def _checked_refs(self) -> tuple[str, ...]:
        """Put back what a sandbox leaves open of git's refs; returns the warnings."""
        warnings = tuple(self._refs.check(self._set_aside)) if self._fenced else ()
        if warnings:
            self._layout.keep_lists()
        return warnings

    def _checked(self, seq: int = 0) -> tuple[str, ...]:
        """The same, except for the refs that a sandbox leaves open."""
        warnings = [*self._layout.check(self._set_aside)]
        for _ in range(_MOST_LOOKS):
            looked = self._look()
            if looked == self._seen:
                break
            warnings += self._settle_changed(looked)
        return (*warnings, *self._taken_over(seq))

    def _taken_over(self, seq: int) -> Iterator[str]:
        """Take what is work from folders that stood in for a git directory, now that git can be trusted again."""
        for folder in self._layout.take_stand_ins():
            from pitboss.landing.stand_in import take_over

            with suppress(GitError, OSError):
                if refs := take_over(self._repo, self._run_id, seq, folder):
                    yield f"commits that were made in {folder} are kept under {', '.join(refs)}"

    def _settle_changed(self, looked: dict[str, tuple[int, ...]]) -> list[str]:
        """Deal with what differs from the last look; returns the warnings."""
        names = sorted({**self._seen, **looked, **self._found})
        changed = [name for name in names if looked.get(name) != self._seen.get(name)]
        warnings = [words for name in changed if (words := self._settle(name))]
        # What was read is at least as new as this look; the next look sees any later change.
        self._seen = looked
        self._save()
        return warnings

    # What to look at

    def _path(self, name: str) -> Path:
        """Where a file is; made once, since every session looks at the same ones several times."""
        if name not in self._paths:
            self._paths[name] = self._place(name)
        return self._paths[name]

    def _place(self, name: str) -> Path:
        match name:
            case ".git":
                return self._repo.root / ".git"
            case "commondir" | "config.worktree":
                return self._repo.git_dir / name
            case _ if name.startswith(_HOOKS):
                folder, _, rest = name.partition("//")
                return self._hooks.get(folder, self._repo.common_dir / "hooks") / rest
            case _:
                return self._repo.common_dir / name

    def _names(self) -> Iterator[str]:
        """Every file to look at, whether it exists or not."""
        yield from (*_CONFIGS, "commondir", "info/attributes")
        if self._is_linked:
            yield ".git"
        with suppress(OSError), os.scandir(self._worktrees) as entries:
            yield from (
                f"{_WORKTREES}{e.name}/{_OF_WORKTREE}" for e in entries if e.name != self._repo.git_dir.name
            )
        for folder, path in self._hooks.items():
            yield from (f"{folder}//{name}" for name in _among_hooks(path))

    def _find_hooks(self) -> dict[str, Path]:
        """Hook folders that are not part of sessions' work: git's own, and one in the tree that git ignores.

        Tools such as husky create the latter on every machine; `git clean -x` removes it.
        """
        folders = {_HOOKS: self._repo.common_dir / _HOOKS}
        with suppress(GitError):  # named by a config that is about to be put back
            # What git said when the repository was found holds until settings are put back.
            said, self._said_of_hooks = self._said_of_hooks, None
            named = Path(said or self._repo.line("rev-parse", *HOOKS))
            folder = self._repo.root / named
            if not named.is_absolute() and folder != folders[_HOOKS] and self._repo.ignores(str(named)):
                folders[_OWN_HOOKS] = folder
        return folders

    def _look(self) -> dict[str, tuple[int, ...]]:
        looked: dict[str, tuple[int, ...]] = {}
        for name in self._names():
            with suppress(OSError):
                seen = os.lstat(self._path(name))
                looked[name] = (seen.st_mode, *stamp_in(seen))
        return looked

    def _changed_at(self, name: str) -> float:
        """When a file last changed or, if it is gone, its folder."""
        return changed_at(self._path(name))

    # Putting back

    def _read(self, name: str) -> Found | None:
        return read_found(self._path(name), as_is=name.startswith(_HOOKS))

    def _settle(self, name: str) -> str | None:
        """Deal with one changed file; returns the warning."""
        was, now = self._was(name), self._read(name)
        if was == now:
            return None
        if name.startswith(_WORKTREES) and not self._path(name).parent.is_dir():
            self._found.pop(name, None)  # the worktree was removed
            return None
        if now is not None and (name in _CONFIGS or name.startswith(_WORKTREES)):
            return self._settle_config(name, was, now)
        return self._put_back(name, was)

    def _was(self, name: str) -> Found | None:
        """What was found; for a worktree created since, what git copied there."""
        known = self._found.get(name)
        copied = self._found.get(_OF_WORKTREE)
        if known is not None or copied is None or not name.startswith(_WORKTREES):
            return known
        from pitboss.git.settings import as_copied

        return Found(mode=copied.mode, content=as_copied(copied.content))

    def _settle_config(self, name: str, was: Found | None, now: Found) -> str | None:
        from pitboss.git.settings import compare

        compared = compare(was.content if was else b"", now.content, may_narrow=self._apart)
        if compared is None:
            return self._put_back(name, was, why="it could no longer be read")
        if not compared.decisive:
            self._found[name] = now
            changed = first_few(compared.other, _MOST_NAMED)
            return f"git's {name} was changed: {changed}" if changed else None
        target = None if was is None and not compared.other else compared.content
        found = None if target is None else Found(mode=was.mode if was else now.mode, content=target)
        return self._put_back(name, found, why=f"it set {first_few(compared.decisive, _MOST_NAMED)}")

    def _put_back(self, name: str, was: Found | None, *, why: str = "") -> str:
        path = self._path(name)
        done = "was removed" if was is None else "has changed, and is too large to be put back"
        if was is not None and was.is_whole:
            kept = put_found(path, was, lambda: self._set_aside(path, name))
            self._found[name], done = was, "was put back"
        else:
            kept = self._set_aside(path, name)
            self._found.pop(name, None)
        return f"git's {name.replace('//', '/')} {done}{f': {why}' if why else ''}" + (
            f"; kept as {kept}" if kept else ""
        )

    def _set_aside(self, path: Path, name: str) -> Path | None:
        """Move whatever is at `path` into the run directory; returns where it is now, None if nothing was there."""
        if not os.path.lexists(path):
            return None
        flat = name.replace("//", "-").replace("/", "-").replace(" ", "-").lstrip(".")
        nth = 1
        while os.path.lexists(target := self._folder / f"{flat}-{nth}"):
            nth += 1
        return target if move_aside(path, target) else None

    # What a later process needs

    def _save(self) -> None:
        make_directory(self._folder)
        write_atomic(self._folder / _FOUND, msgspec.json.encode(self._found), durable=False)

    def _saved(self) -> dict[str, Found] | None:
        content = read_regular(self._folder / _FOUND, _MOST_SAVED)
        try:
            return None if content is None else from_json(content, dict[str, Found])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None


def _kept_hooks(repo: Repo, run: Path) -> KeptHooks:
    from pitboss.landing.kept_hooks import KeptHooks

    return KeptHooks(repo, run)
