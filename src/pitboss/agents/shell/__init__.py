"""The `shell` backend: runs a prompt's fenced `sh` blocks, for chores that need no model (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.plain import PlainReader
from pitboss.agents.shell.fences import sh_blocks
from pitboss.errors import StartError

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

# The script comes on stdin because an argument is limited to 128 KiB. It is read whole before it runs, so that
# its commands find an empty stdin instead of consuming the rest of the script.
_RUN_STDIN = 'set -eu; script=$(cat); exec </dev/null; eval "$script"'


class Shell(Backend):
    """All blocks run in order as one `sh` process with `set -eu`, in the session's directory; it costs nothing."""

    name = "shell"
    cost = Cost.NONE
    install = "a POSIX shell named `sh` must be on PATH, or set [agent.shell] binary"
    version_args = None
    uses_model = False

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """Start the shell on the body's blocks; raises StartError if there is none."""
        blocks = sh_blocks(request.body)
        if not blocks:
            message = f"the prompt `{request.prompt_name}` has no ```sh block for the shell agent to run"
            raise StartError(message, hint="put the commands between ```sh and ``` (the word must be `sh`)")
        argv = (self.binary(settings), *settings.extra_args, "-c", _RUN_STDIN)
        return Launch(argv=argv, stdin="\n".join(blocks).encode("utf-8", "replace"))

    def reader(self, request: AgentRequest) -> PlainReader:
        """A reader of plain text, judged by the exit code."""
        return PlainReader(request)
