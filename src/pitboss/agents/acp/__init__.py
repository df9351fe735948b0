"""The `acp` backend: any agent that speaks the Agent Client Protocol (SPEC 6).

`[agent.acp] command = ["my-agent", "--acp"]` names it; `acp:NAME` is one of `acp.presets`. Our own client
(`acp.client`) talks to it from a process in between, so that only that process loads the protocol's library, and
prints what it hears as JSON lines.
`permission_mode` is `allow` unless configured: every permission request is granted, each for one time. `deny` refuses
them; any other word is one of the agent's own modes, and requests are granted. `model` and `effort` are set if the
agent offers a choice, and are an error if it does not.
"""

from __future__ import annotations

import re
import signal
import sys
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.acp.stream import AcpReader
from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.core.patterns import lazy_pattern
from pitboss.errors import StartError

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

CLIENT = "pitboss.agents.acp.client"
LIBRARY = "acp"
ALLOW = "allow"


class AcpAgent(Backend):
    """An agent behind the protocol; a stop first cancels its turn, and then it still reports its usage."""

    name = "acp"
    cost = Cost.EITHER
    install = "install it, or set [agent.acp] command to an agent that speaks the Agent Client Protocol"
    version_args = None
    resumable = True
    unattended = ALLOW
    session_lost = lazy_pattern(
        r"\b(session|thread) ([\w-]+ )?not found|unknown session|invalid session identifier|thread not loaded"
        r"|\bno (conversation|rollout|(saved|previous) sessions?) found|no session\b.{0,20} matched",
        re.IGNORECASE,
    )

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """Start our client with the agent's command line behind it.

        Raises StartError if there is no such agent, or the protocol's library is missing.
        """
        return self.launched(request, settings, (*settings.command[1:], *settings.extra_args))

    def launched(
        self,
        request: AgentRequest,
        settings: AgentSettings,
        arguments: tuple[str, ...],
        env_defaults: dict[str, str] | None = None,
        **asked: str | None,
    ) -> Launch:
        """The launch of the agent with `arguments`; the fields of `client.Asked` in `asked` are other than usual."""
        program = self.binary(settings)
        self._check(program, request.env.get("PATH"))
        usual = {
            "permission": settings.permission_mode or ALLOW,
            "model": request.model or settings.model,
            "effort": settings.effort,
            "resume": None if request.resume is None else request.resume.session_id,
        }
        return Launch(
            argv=(
                # Not from its working folder, where a module may have any name.
                *(sys.executable, "-P", "-m", CLIENT, msgspec.json.encode(usual | asked).decode()),
                *(program, *arguments),
            ),
            stdin=request.text.encode("utf-8", "replace"),
            env_defaults=env_defaults or {},
            split_stderr=True,
            polite_signal=signal.SIGINT,
        )

    def reader(self, request: AgentRequest) -> AcpReader:
        """A reader of what our client prints."""
        return AcpReader(request)

    def _check(self, program: str, path: str | None) -> None:
        from importlib.util import find_spec
        from shutil import which

        if which(program, path=path) is None:
            raise StartError(f"cannot start {program}: no such program", hint=self.install)
        if find_spec(LIBRARY) is None:
            raise StartError(
                f"the agent `{self.name}` needs the package agent-client-protocol",
                hint="pip install 'pitboss[acp]'",
            )
