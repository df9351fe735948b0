"""What the processes of a session find on their machine: its tree, its files, its environment (SPEC 6)."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from pitboss.core.agent import AgentRequest, AgentWork
from pitboss.core.environment import WORKTREE
from pitboss.hosts.exchange import Exchange, SessionFiles
from pitboss.store.paths import pitboss_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pitboss.core.agent import AgentOrder
    from pitboss.core.session import Assignment
    from pitboss.store.paths import RunPaths


class Surroundings:
    """The tree, files and environment of a run's sessions on one machine, whose own environment is `environ`.

    `tree` says which folder a session works in, as an absolute path. If sessions are `fenced`, each has a folder for
    the files that it exchanges with the run, whose own are hidden from it, and so are the `private` folders.
    """

    def __init__(
        self,
        paths: RunPaths,
        environ: Mapping[str, str],
        tree: Callable[[Assignment], str],
        *,
        fenced: bool = False,
        private: Sequence[str] = (),
    ) -> None:
        self._paths = paths
        self.environ = environ
        self.tree = tree
        self._fenced = fenced
        self.private = tuple(private)

    @property
    def root(self) -> Path:
        """The root of the repository."""
        return self._paths.repo

    @property
    def pitboss(self) -> Path:
        """The folder of everything that pitboss keeps there."""
        return pitboss_dir(self._paths.repo)

    def own(self, pids: Sequence[int]) -> list[int]:
        """Those of the processes that work for this run, and not for a run of the same name in another folder."""
        from pitboss.hosts.ownership import own

        return own(self._paths, pids)

    def transcript(self, session: Assignment, kind: str) -> str:
        """The absolute path of a transcript of the session."""
        return str(self._paths.transcript(session.seq, kind))

    def variables(self, session: Assignment) -> dict[str, str]:
        """The PITBOSS_* variables that the session's agents, tests and hooks all see.

        A parallel session has a scratchpad and a skip file of its own.
        """
        files = self._files(session)
        return {
            "PITBOSS_RUN_ID": self._paths.run_id,
            "PITBOSS_PROMPT_NAME": session.prompt,
            "PITBOSS_SESSION_SEQ": str(session.seq),
            "PITBOSS_SUMMARY_FILE": str(files.summary),
            "PITBOSS_SCRATCHPAD": str(files.notes),
            WORKTREE: self.tree(session),
            "PITBOSS_SKIP_FILE": str(files.skip),
        }

    def exchange(self, session: Assignment) -> Exchange | None:
        """The folder of exchanged files of a session in a sandbox; None for any other."""
        return Exchange(self._files(session), self._own_files(session)) if self._fenced else None

    def lent_folder(self, session: Assignment) -> str:
        """Where that folder is."""
        return str(self._paths.exchange(session.seq))

    def _files(self, session: Assignment) -> SessionFiles:
        """The files that the session knows of."""
        if self._fenced:
            return SessionFiles.in_folder(self._paths.exchange(session.seq))
        return self._own_files(session)

    def _own_files(self, session: Assignment) -> SessionFiles:
        """The run's own files for the session."""
        paths, seq = self._paths, session.seq
        own = session.worktree is not None
        return SessionFiles(
            summary=paths.summary(seq),
            notes=paths.notes(seq) if own else paths.scratchpad,
            skip=paths.skip(seq) if own else paths.skip_file,
        )

    def environment(self, session: Assignment) -> dict[str, str]:
        """The whole environment that the session's agents and tests see.

        In a session's own working copy, git does not look for a repository further up: that one is the user's.
        """
        env = {**self.environ, **self.variables(session)}
        if session.worktree is not None:
            inherited = self.environ.get("GIT_CEILING_DIRECTORIES")
            ceilings = filter(None, (self._above_slots, inherited))
            env["GIT_CEILING_DIRECTORIES"] = os.pathsep.join(ceilings)
        return env

    @cached_property
    def _above_slots(self) -> str:
        return str(self._paths.worktrees.resolve())

    def request(self, session: Assignment, order: AgentOrder) -> AgentRequest:
        """An order as a request to its agent on this machine."""
        usage_file = str(self._usage_file(session, order.kind))
        return AgentRequest(
            **{name: getattr(order, name) for name in AgentWork.__struct_fields__},
            cwd=self.tree(session),
            env={**self.environment(session), "PITBOSS_USAGE_FILE": usage_file},
            transcript=self.transcript(session, order.kind),
            usage_file=usage_file,
        )

    def _usage_file(self, session: Assignment, kind: str) -> Path:
        file = self._paths.usage(session.seq, kind)
        return self._paths.exchange(session.seq) / file.name if self._fenced else file
