"""The sandboxes of a run's sessions on this machine, and of agents that are only tried (SPEC 13)."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.sandbox.ground import AgentFolders, GitGround, Ground
from pitboss.store.paths import pitboss_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pitboss.core.config import Config
    from pitboss.core.sandbox.fence import Fence
    from pitboss.core.session import Assignment
    from pitboss.hosts.surroundings import Surroundings

    GitOf = Callable[[Assignment], tuple[GitGround, Sequence[str]]]
    """Finds a session's git folders, and the files below `.pitboss` that git tracks in its tree."""


NO_FOLDERS = AgentFolders()
OWN = (sys.prefix, str(Path(__file__).parents[2]))
"""Where pitboss and its Python are: the clients of some agents are run from there."""


class Fencing:
    """Builds the sandbox of each process of a run's sessions; None for each if there is to be none."""

    def __init__(self, config: Config, surroundings: Surroundings, git_of: GitOf) -> None:
        self._settings = config.sandbox
        self._surroundings = surroundings
        self._git_of = git_of
        self._private = (*surroundings.private, *_certificates(config))
        self._programs = tuple(str(Path(program).parent) for program in _programs(config))

    def around(
        self, session: Assignment, env: Mapping[str, str], agent: AgentFolders = NO_FOLDERS
    ) -> Fence | None:
        """The sandbox of one process of a session, which is to see the environment `env`."""
        if not self._settings.is_fenced:
            return None
        from pitboss.process.fencing import fence_around  # a run without sandboxes loads none of that

        _make(agent.sessions)
        exchange = self._surroundings.lent_folder(session)
        ground = self._ground(session, env, agent, exchange)
        return fence_around(self._settings, ground, self._surroundings.environ, session=exchange)

    def _ground(
        self, session: Assignment, env: Mapping[str, str], agent: AgentFolders, exchange: str
    ) -> Ground:
        from pitboss.core.sandbox.secrets import named_sockets
        from pitboss.process.fencing import program_folders, temporary_folders

        home = env.get("HOME") or str(Path.home())
        root = str(self._surroundings.root)
        git, tracked = self._git_of(session)
        return Ground(
            home=home,
            tree=self._surroundings.tree(session),
            git=git,
            sockets=named_sockets(self._surroundings.environ),
            temporary=temporary_folders(env),
            needed=(home, root, git.common, *OWN, *program_folders(env), *self._programs),
            private=self._private,
            pitboss=str(self._surroundings.pitboss),
            lent=(exchange,),
            shown=tuple(f"{root}/{name}" for name in tracked),
            agent=agent,
        )


def fence_trial(
    config: Config, root: Path, repository: Path, exchange: Path, env: Mapping[str, str], agent: AgentFolders
) -> Fence | None:
    """The sandbox of an agent that is tried in a scratch repository, for the user's repository at `root`.

    It can write the scratch repository and the folder `exchange`. None if sessions have no sandbox either. Raises
    StartError if bubblewrap is not installed.
    """
    if not config.sandbox.is_fenced:
        return None
    from pitboss.core.sandbox.secrets import named_sockets
    from pitboss.process.fencing import fence_around, program_folders, temporary_folders

    _make(agent.sessions)
    home = env.get("HOME") or str(Path.home())
    programs = (str(Path(program).parent) for program in _programs(config))
    git = str(repository / ".git")
    ground = Ground(
        home=home,
        tree=str(repository),
        git=GitGround(own=git, common=git, branch="main"),
        sockets=named_sockets(env),
        temporary=temporary_folders(env),
        needed=(home, str(root), *OWN, *program_folders(env), *programs),
        private=tuple(_certificates(config)),
        pitboss=str(pitboss_dir(root)),
        lent=(str(exchange),),
        agent=agent,
    )
    return fence_around(config.sandbox, ground, env, session=str(exchange))


def _programs(config: Config) -> Iterator[str]:
    """The programs of agents that the configuration names by their whole paths."""
    for settings in config.agents.values():
        program = settings.binary or next(iter(settings.command), "")
        if program.startswith("/"):
            yield program


def _certificates(config: Config) -> Iterator[str]:
    """The folder of the files by which workers do whatever they are asked to."""
    if config.workers.tls is not None:
        yield str(Path(config.workers.tls).expanduser().absolute())


def _make(folders: Sequence[str]) -> None:
    """Make the folders that an agent keeps its sessions in, as it would itself where nothing is read-only."""
    for folder in folders:
        with suppress(OSError):
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
