"""What the processes of a session find on their machine: its tree, its files, its environment (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.core.agent import AgentRequest, AgentWork

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pitboss.core.agent import AgentOrder
    from pitboss.core.session import Assignment
    from pitboss.store.paths import RunPaths


class Surroundings:
    """The tree, files and environment of a run's sessions on one machine, whose own environment is `environ`.

    `tree` says which folder a session works in, as an absolute path.
    """

    def __init__(
        self, paths: RunPaths, environ: Mapping[str, str], tree: Callable[[Assignment], str]
    ) -> None:
        self._paths = paths
        self._environ = environ
        self.tree = tree

    def transcript(self, session: Assignment, kind: str) -> str:
        """The absolute path of a transcript of the session."""
        return str(self._paths.transcript(session.seq, kind))

    def variables(self, session: Assignment) -> dict[str, str]:
        """The PITBOSS_* variables that the session's agents, tests and hooks all see.

        A parallel session has a scratchpad and a skip file of its own.
        """
        paths, seq = self._paths, session.seq
        own = session.worktree is not None
        return {
            "PITBOSS_RUN_ID": paths.run_id,
            "PITBOSS_PROMPT_NAME": session.prompt,
            "PITBOSS_SESSION_SEQ": str(seq),
            "PITBOSS_SUMMARY_FILE": str(paths.summary(seq)),
            "PITBOSS_SCRATCHPAD": str(paths.notes(seq) if own else paths.scratchpad),
            "PITBOSS_WORKTREE": self.tree(session),
            "PITBOSS_SKIP_FILE": str(paths.skip(seq) if own else paths.skip_file),
        }

    def environment(self, session: Assignment) -> dict[str, str]:
        """The whole environment that the session's agents and tests see.

        In a session's own working copy, git does not look for a repository further up: that one is the user's.
        """
        env = {**self._environ, **self.variables(session)}
        if session.worktree is not None:
            inherited = self._environ.get("GIT_CEILING_DIRECTORIES")
            ceilings = filter(None, (str(self._paths.worktrees.resolve()), inherited))
            env["GIT_CEILING_DIRECTORIES"] = os.pathsep.join(ceilings)
        return env

    def request(self, session: Assignment, order: AgentOrder) -> AgentRequest:
        """An order as a request to its agent on this machine."""
        usage_file = str(self._paths.usage(session.seq, order.kind))
        return AgentRequest(
            **{name: getattr(order, name) for name in AgentWork.__struct_fields__},
            cwd=self.tree(session),
            env={**self.environment(session), "PITBOSS_USAGE_FILE": usage_file},
            transcript=self.transcript(session, order.kind),
            usage_file=usage_file,
        )
