"""What git ignores by rules outside any tree, what it ignored at a commit, and whether that changed (SPEC 1.2)."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from pitboss.git.environment import pinned
from pitboss.git.objects import contents_of
from pitboss.git.small_files import read_file
from pitboss.store.stamps import users_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.git.repo import Repo

RULES = ".gitignore"
_NAME = b".gitignore\0"
_EXCLUDES = "core.excludesfile"
_SETTINGS = (
    *("config", "-z", "--show-origin", "--type=path", "--get-regexp"),
    rf"^({_EXCLUDES.replace('.', '[.]')}|include(if[.].*)?[.]path)$",
)
_IN_FILE = "file:"
_REGULAR = b"100"
_SCRATCH = "pitboss-rules"


class Excludes(msgspec.Struct, frozen=True, kw_only=True):
    """The rules outside any tree: `info/exclude` and the user's own. `seen` shows whether a file was rewritten."""

    seen: tuple[object, ...]
    text: bytes

    @property
    def says_something(self) -> bool:
        """Whether there is any rule, not just comments."""
        return any(line.strip() and not line.startswith(b"#") for line in self.text.splitlines())


class ExcludeFiles:
    """The rules outside any tree, read once for all trees of a repository until they change."""

    def __init__(self) -> None:
        self._excludes = ""
        self._included: tuple[str, ...] = ()
        self._known: Excludes | None = None
        self._first: bytes | None = None
        self._lock = Lock()

    def now(self, repo: Repo) -> Excludes:
        """The current rules. Raises GitError."""
        with self._lock:  # whoever asks at the same moment need not ask git too
            known = self._known
            if known is None or known.seen != self._seen(repo):
                self._excludes, self._included = _settings(repo)
                texts = (_bytes(self._own(repo)), _bytes(repo.common_dir / "info" / "exclude"))
                known = self._known = Excludes(seen=self._seen(repo), text=b"\n".join(texts))
                if self._first is None:
                    self._first = known.text
            return known

    def first(self, repo: Repo) -> bytes:
        """The rules when they were first asked for: what was added since is not in them. Raises GitError."""
        now = self.now(repo)
        return now.text if self._first is None else self._first

    def differ_from_first(self, rules: Excludes, repo: Repo) -> bool:
        """Whether the rules are not what they first were; asks git only if a file was written since `rules`."""
        now = rules if self.are_as_seen(rules, repo) else self.now(repo)
        return now.text != self._first

    def are_as_seen(self, rules: Excludes, repo: Repo) -> bool:
        """Whether neither the rules nor any of git's settings were written, the same again or not."""
        return self._seen(repo) == rules.seen

    def _seen(self, repo: Repo) -> tuple[object, ...]:
        home = os.path.expanduser("~/.gitconfig")  # noqa: PTH111 - on a fast path
        places = (
            f"{repo.common_dir}/info/exclude",
            f"{repo.common_dir}/config",
            f"{repo.git_dir}/config.worktree",
            os.environ.get("GIT_CONFIG_GLOBAL", home),
            os.path.join(_xdg(), "config"),  # noqa: PTH118
            self._own(repo),
            *self._included,
        )
        return (repo.common_dir, *map(users_stamp, places))

    def _own(self, repo: Repo) -> str:
        """The user's own file of rules; each tree may have one, since git looks for a relative path in the tree."""
        return os.path.join(repo.root, self._excludes)  # noqa: PTH118


def rules_in(index: Path, *, hash_bytes: int) -> frozenset[bytes] | None:
    """Every `.gitignore` in an index with its object name, as bytes to compare; None for other index formats."""
    content = _bytes(index)
    if content[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        return None
    found, place = set(), content.find(_NAME)
    while place >= 0:
        # A path follows its content's object name and two bytes, the first of them zero unless the path is long.
        start = content.rfind(b"\0", 0, place) - hash_bytes
        found.add(content[max(start, 0) : place + len(_NAME)])
        place = content.find(_NAME, place + 1)
    return frozenset(found)


class CommitRules:
    """A commit's rules plus those outside any tree, in a scratch repository that `ignored` queries."""

    def __init__(self, repo: Repo, commit: str, beside: bytes) -> None:
        self._repo = repo
        self._root = repo.inside(_SCRATCH)
        self.close()
        self._git_dir = self._root / ".git"
        for folder in ("objects", "refs", "info"):
            (self._git_dir / folder).mkdir(parents=True)
        (self._git_dir / "HEAD").write_text("ref: refs/heads/none\n")
        (self._git_dir / "config").write_text("[core]\n\trepositoryformatversion = 0\n")
        (self._git_dir / "info" / "exclude").write_bytes(beside)
        for path, text in _tracked_rules(repo, commit):
            self.add(path, text)

    def add(self, path: str, text: bytes) -> None:
        """Add a `.gitignore` that is in no commit."""
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text)

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths that the rules ignore; folders end with a slash."""
        env = pinned(self._root, self._git_dir, self._git_dir)
        asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
        check = (
            "-C",
            str(self._root),
            "-c",
            "core.excludesFile=",
            "check-ignore",
            "--no-index",
            "-z",
            "--stdin",
        )
        answer = self._repo.git(*check, stdin=asked, env=env, ok=(0, 1))
        return set(os.fsdecode(answer).split("\0"))

    def close(self) -> None:
        """Remove the scratch repository."""
        import shutil

        shutil.rmtree(self._root, ignore_errors=True)


def _tracked_rules(repo: Repo, commit: str) -> list[tuple[str, bytes]]:
    lines = (line.partition(b"\t") for line in repo.git("ls-tree", "-r", "-z", commit).split(b"\0"))
    rules = [
        (about.split()[2].decode(), os.fsdecode(path))
        for about, _, path in lines
        if about.startswith(_REGULAR) and path.rpartition(b"/")[2] == RULES.encode()
    ]
    texts = contents_of(repo, [oid for oid, _ in rules])
    return [(path, text) for (_, path), text in zip(rules, texts, strict=True)]


def _settings(repo: Repo) -> tuple[str, tuple[str, ...]]:
    """The user's own file of rules, and the files that git's settings include, whether or not they exist."""
    excludes, included = "", []
    fields = os.fsdecode(repo.git(*_SETTINGS, ok=(0, 1, 128))).split("\0")
    for origin, said in zip(fields[0::2], fields[1::2], strict=False):
        key, _, path = said.partition("\n")
        if key == _EXCLUDES:
            excludes = path
        else:
            beside = os.path.dirname(origin.removeprefix(_IN_FILE))  # noqa: PTH120
            included.append(os.path.join(beside, path))  # noqa: PTH118
    return excludes or _default(), tuple(included)


def _xdg() -> str:
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "git")  # noqa: PTH111, PTH118


def _default() -> str:
    return os.path.join(_xdg(), "ignore")  # noqa: PTH118


def _bytes(path: Path | str) -> bytes:
    try:
        return read_file(path)[0]
    except OSError:
        return b""
