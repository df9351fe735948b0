"""Which programs a repository brings with it, and which of them may run because they were used here before (SPEC 8).

Commands that only look must run nothing that came with a clone or a pull: neither an agent that the repository's
configuration names nor one inside the repository. `init`, `grind` and `doctor --trust` remember what the user meant
to run, program by program; for files in the working tree, the content counts too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.programs import locate, program_of
from pitboss.agents.table import agent_names
from pitboss.core.config import AgentSettings, SandboxMode
from pitboss.core.embed import one_line
from pitboss.core.environment import agent_environment
from pitboss.errors import CommandError, PitbossError, StartError
from pitboss.git.errors import NotARepository
from pitboss.git.repo import Repo
from pitboss.git.whereabouts import has_unusable
from pitboss.store.opening import open_users
from pitboss.store.trust_list import remember, remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pitboss.core.config import Config, NotifySettings

NOTIFY = "notify"
"""Stands for an agent in what notices run."""
SANDBOX = "sandbox"
"""Stands for an agent in the wrapper of `[sandbox] mode = "command"`."""

GRANT = "look at them first; `pitboss doctor --trust` then lets them run"
_USED = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""Remembered for every repository that was used: the digest of nothing."""

_SHOWN = 100
_MOST_HASHED = 64 << 20
"""How many bytes of a program go into its digest."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """Part of an agent's command line that the repository brings: its words, and the setting they come from.

    `only_working`: arguments that the agent does not get when only asked for its version.
    """

    agent: str
    setting: str
    words: tuple[str, ...]
    digest: str
    only_working: bool = False

    def __str__(self) -> str:
        """The words, and where they come from."""
        return f"{one_line(' '.join(self.words), _SHOWN)} ({self.setting})"


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The programs that the working tree at `root` brings, and the digests remembered for its repository.

    `common_dir` is None outside git, where nothing is remembered.
    """

    root: Path
    programs: tuple[Program, ...]
    common_dir: Path | None
    known: frozenset[str]

    def withheld(self, agent: str, *, working: bool = True) -> tuple[Program, ...]:
        """What must not run of `agent`, either for work or, if not `working`, just to ask for its version."""
        return tuple(
            program
            for program in self.programs
            if program.agent == agent
            and (working or not program.only_working)
            and program.digest not in self.known
        )

    @property
    def new(self) -> tuple[Program, ...]:
        """Everything that is withheld, for any agent."""
        return tuple(program for program in self.programs if program.digest not in self.known)

    @property
    def reason(self) -> str:
        """Why something is withheld."""
        if self.known:
            return "of something new or changed since this repository was last used here"
        return "this repository has not been used here before"

    def grant(self) -> None:
        """Withhold nothing from now on.

        Raises CommandError outside git, NotARepository where git cannot work, StorageError if it cannot be written.
        """
        if self.common_dir is None:
            if has_unusable(self.root):  # which says what is wrong with it
                Repo.discover(self.root, purpose="remembering that the repository is used")
            raise CommandError(
                f"{self.root} is not in a git repository: nothing can be remembered about it",
                hint="run `git init`",
            )
        remember(self.common_dir, [_USED, *(program.digest for program in self.programs)])


def look(root: Path, config: Config, environ: Mapping[str, str]) -> Trust:
    """What the working tree at `root` brings for a user with this environment; runs none of it."""
    common_dir = None
    with suppress(NotARepository):
        common_dir = Repo.discover(root, purpose="looking for what may run").common_dir
    return _look(root, common_dir, config, environ)


def _look(root: Path, common_dir: Path | None, config: Config, environ: Mapping[str, str]) -> Trust:
    env = agent_environment(environ, remove=config.env_remove, keep=config.env_keep)
    return Trust(
        root=root,
        programs=tuple(_programs(root, config, env.get("PATH", os.defpath))),
        common_dir=common_dir,
        known=frozenset(remembered(common_dir) if common_dir else ()),
    )


def used(repo: Repo, config: Config, environ: Mapping[str, str]) -> None:
    """Remember that this repository is used here, with all that it brings. A failure only means asking again."""
    with suppress(PitbossError):
        _look(repo.root, repo.common_dir, config, environ).grant()


def _programs(root: Path, config: Config, path: str) -> Iterator[Program]:
    yield from _notices(root, config.notify)
    if config.sandbox.mode is SandboxMode.COMMAND:
        yield _program(root, SANDBOX, "[sandbox] command", config.sandbox.command)
    for agent in agent_names():
        settings = config.agents.get(agent, AgentSettings())
        named = (
            ("binary", (settings.binary,) if settings.binary else (), False),
            ("command", settings.command, False),
            ("extra_args", settings.extra_args, True),
        )
        for key, words, only_working in named:
            if words:
                yield _program(root, agent, f"[agent.{agent}] {key}", words, only_working=only_working)
        try:
            program = program_of(agent, settings)
        except StartError:
            continue
        found = None if "/" in program else locate(program, path, root)
        if found is not None and _inside(found, root):
            yield _program(root, agent, "in this repository", (os.path.relpath(found, root),))


def _notices(root: Path, settings: NotifySettings) -> Iterator[Program]:
    """The command that gets notices, and the addresses, which may send variables away: these are not shown."""
    if settings.command is not None:
        yield _program(root, NOTIFY, "[notify] command", ("sh", "-c", settings.command))
    if listed := tuple(settings.addresses.items()):
        words = (f"{len(listed)} address{'' if len(listed) == 1 else 'es'}",)
        digest = _digest(msgspec.json.encode([NOTIFY, listed]))
        yield Program(agent=NOTIFY, setting="[notify]", words=words, digest=digest)


def _program(
    root: Path, agent: str, setting: str, words: tuple[str, ...], *, only_working: bool = False
) -> Program:
    encoded = msgspec.json.encode([agent, setting, words, [_content(word, root) for word in words]])
    digest = _digest(encoded)
    return Program(agent=agent, setting=setting, words=words, digest=digest, only_working=only_working)


def _digest(data: bytes) -> str:
    """SHA-256 as Python's own `random` gets it: `hashlib` loads all of OpenSSL, which takes longer than to hash."""
    try:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore] # CPython 3.11
    except ImportError:
        from hashlib import sha256
    digest: str = sha256(data).hexdigest()
    return digest


def _content(word: str, root: Path) -> str | None:
    """A digest of the file in the working tree that a word of a command line names; None when it names none."""
    try:
        if not _inside(word, root):
            return None
        with open_users(root / word) as file:
            return _digest(file.read(_MOST_HASHED))
    except (OSError, ValueError):
        return None


def _inside(path: str, root: Path) -> bool:
    """Whether a path leads into the working tree, directly or through links."""
    top = os.path.join(os.path.realpath(root), "")  # noqa: PTH118
    return any(
        f"{place}{os.sep}".startswith(top)
        for place in (os.path.normpath(root / path), os.path.realpath(root / path))
    )
