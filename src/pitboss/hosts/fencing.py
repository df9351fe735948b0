"""The sandboxes of a run's sessions on this machine, and of agents that are only tried (SPEC 13)."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.sandbox.ground import AgentFolders, GitGround
from pitboss.store.paths import pitboss_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pitboss.core.config import Config
    from pitboss.core.sandbox.fence import Fence
    from pitboss.core.session import Assignment
    from pitboss.hosts.surroundings import Surroundings

    GitOf = Callable[[Assignment], tuple[GitGround, Sequence[str]]]
    """Finds a session's git folders, and the files below `.pitboss` that git tracks in its tree."""


OWN = (sys.prefix, str(Path(__file__).parents[2]))
"""Where pitboss and its Python are: some agents' clients run from there."""


class Fencing:
    """Builds the sandbox of each process of a run's sessions; None for each in a run without sandboxes."""

    def __init__(self, config: Config, surroundings: Surroundings, git_of: GitOf) -> None:
        self._settings = config.sandbox
        self._surroundings = surroundings
        self._git_of = git_of
        self._private = (*surroundings.private, *_certificates(config))
        self._programs = tuple(_program_folders(config))

    def around(
        self, session: Assignment, env: Mapping[str, str], folders: Callable[[], AgentFolders] = AgentFolders
    ) -> Fence | None:
        """The sandbox of one process of a session, which is to see the environment `env`, and has these `folders`."""
        if not self._settings.is_fenced:
            return None
        from pitboss.process.fencing import (  # a run without sandboxes loads none of that
            fence_around,
            ground_here,
        )

        here, agent = self._surroundings, folders()
        _make(agent)
        exchange, root = here.lent_folder(session), str(here.root)
        git, tracked = self._git_of(session)
        needed = (root, git.common, *OWN, *self._programs)
        ground = replace(
            ground_here(here.tree(session), git, env, here.environ, needed),
            private=self._private,
            pitboss=str(here.pitboss),
            lent=(exchange,),
            shown=tuple(f"{root}/{name}" for name in tracked),
            agent=agent,
        )
        return fence_around(self._settings, ground, here.environ, session=exchange)


def fence_trial(
    config: Config, root: Path, repository: Path, exchange: Path, env: Mapping[str, str], agent: AgentFolders
) -> Fence | None:
    """The sandbox of an agent that is tried in a scratch repository, for the user's repository at `root`.

    It can write the scratch repository and the folder `exchange`. None if sessions have no sandbox either. Raises
    StartError if bubblewrap is not installed.
    """
    if not config.sandbox.is_fenced:
        return None
    from pitboss.process.fencing import fence_around, ground_here

    _make(agent)
    git = str(repository / ".git")
    needed = (str(root), *OWN, *_program_folders(config))
    ground = replace(
        ground_here(str(repository), GitGround(own=git, common=git, branch="main"), env, env, needed),
        private=tuple(_certificates(config)),
        pitboss=str(pitboss_dir(root)),
        lent=(str(exchange),),
        agent=agent,
    )
    return fence_around(config.sandbox, ground, env, session=str(exchange))


def _program_folders(config: Config) -> Iterator[str]:
    """The folders of agents' programs that the configuration names by absolute paths."""
    for settings in config.agents.values():
        program = settings.binary or next(iter(settings.command), "")
        if program.startswith("/"):
            yield str(Path(program).parent)


def _certificates(config: Config) -> Iterator[str]:
    """The folder of the files by which workers do whatever they are asked to."""
    if config.workers.tls is not None:
        yield str(Path(config.workers.tls).expanduser().absolute())


def _make(agent: AgentFolders) -> None:
    """Make what the agent's CLI would make itself outside a sandbox: folders of sessions, and empty files."""
    for folder in (*agent.sessions, *(os.path.dirname(file) for file in agent.made)):  # noqa: PTH120 - strings
        with suppress(OSError):
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in agent.made:
        with suppress(OSError):
            os.close(
                os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            )
