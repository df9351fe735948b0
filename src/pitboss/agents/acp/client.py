"""Talks the Agent Client Protocol to an agent, in a process of its own, and prints what it hears (SPEC 6).

    python -m pitboss.agents.acp.client '{"permission": "allow", ...}' PROGRAM ARGUMENT...

The prompt comes on stdin; each line of stdout is a JSON object with a `type`: `session`, `prompt`, `update` (one
`session/update` of the protocol as it came), `refused`, `end`, `error`. `session` names the agent and the time,
`prompt` the model as far as the agent's choice of models tells it. SIGINT cancels the turn. If the agent ends on
its own, the client exits as it did; otherwise with 0 after a complete turn and 1 after an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import acp
import msgspec
from acp.schema import AllowedOutcome, ClientCapabilities, DeniedOutcome, Implementation

from pitboss import __version__
from pitboss.typed import from_json

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from acp.client.connection import ClientSideConnection
    from acp.schema import PermissionOption, ToolCallUpdate

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Maximum bytes in one of the agent's messages."""

LAST_WORDS_S = 1.0
"""How long reading a dead agent's last output may take."""

LEAVE_S = 2.0
"""How long an agent may take to exit once we stop talking to it."""

ALLOW, DENY = "allow", "deny"
MODEL = "model"
NOT_SO = -32602
"""JSON-RPC's code for parameters that are no good, such as a value that is not offered."""

MOST_LISTED = 20
GRANTS = ("allow_once", "allow_always")
REFUSALS = ("reject_once", "reject_always")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the session should be like: see `pitboss.agents.acp`. `usual_mode` is set where the agent offers it."""

    permission: str
    usual_mode: str | None = None
    model: str | None = None
    effort: str | None = None
    resume: str | None = None

    @property
    def mode(self) -> str | None:
        """The agent's own mode that `permission` names, if it names one."""
        return None if self.permission in (ALLOW, DENY) else self.permission


class Unoffered(Exception):
    """The agent does not offer what the user chose."""


class Listener:
    """Our side of the protocol: it prints updates and answers requests for permission, and offers no tools."""

    def __init__(self, *, grant: bool) -> None:
        self._wanted = GRANTS if grant else REFUSALS
        self.muted = False

    async def session_update(self, update: Any, **_: Any) -> None:
        """Print an update, unless it replays the past of a session being loaded."""
        if not self.muted:
            tell("update", update=_plain(update))

    async def request_permission(
        self, tool_call: ToolCallUpdate, options: list[PermissionOption], **_: Any
    ) -> acp.RequestPermissionResponse:
        """Choose the narrowest option of the wanted kind, if there is one."""
        kinds = {option.kind: option.option_id for option in reversed(options)}
        chosen = next((kinds[kind] for kind in self._wanted if kind in kinds), None)
        if chosen is None or self._wanted is REFUSALS:
            tell("refused", tool=tool_call.title or tool_call.kind)
        if chosen is None:
            return acp.RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return acp.RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=chosen))


def main() -> int:
    """Talk to the agent named on the command line; returns the exit code."""
    logging.disable()  # the library's own log messages would look like the agent's complaints
    asked = from_json(sys.argv[1], Asked)
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    code = asyncio.run(talk(asked, sys.argv[2:], prompt))
    if code < 0:
        os.kill(os.getpid(), -code)
    return code


async def talk(asked: Asked, command: list[str], prompt: str) -> int:
    """Start the agent, run one turn and end it; returns the exit code, or minus the signal's number."""
    pipe = asyncio.subprocess.PIPE
    agent = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=MESSAGE_LIMIT)
    listener = Listener(grant=asked.permission != DENY)
    connection = acp.connect_to_agent(listener, agent.stdin, agent.stdout)  # type: ignore[arg-type]
    turn = asyncio.ensure_future(_turn(connection, listener, asked, prompt))
    gone = asyncio.ensure_future(agent.wait())
    await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({turn}, timeout=LAST_WORDS_S)
    code = _printed_end(turn)
    with contextlib.suppress(Exception):
        await connection.close()
    left = await _left(agent, gone)
    return left if code is None else code


async def _turn(connection: ClientSideConnection, listener: Listener, asked: Asked, prompt: str) -> Any:
    """Open or load the session, set it up as asked, and send the prompt; returns how the turn ended."""
    hello = await connection.initialize(
        protocol_version=acp.PROTOCOL_VERSION,
        client_capabilities=ClientCapabilities(),
        client_info=Implementation(name="pitboss", version=__version__),
    )
    loads = hello.agent_capabilities is not None and hello.agent_capabilities.load_session
    session: Any
    here = str(Path.cwd())
    if asked.resume is not None and loads:
        listener.muted = True
        session = await connection.load_session(cwd=here, session_id=asked.resume, mcp_servers=[])
        identity, listener.muted = asked.resume, False
    else:
        session = await connection.new_session(cwd=here, mcp_servers=[])
        identity = session.session_id
    name = hello.agent_info.name if hello.agent_info else None
    tell(
        "session",
        id=identity,
        resumed=identity == asked.resume,
        agent=name,
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
    )
    model = await _set_up(connection, identity, session, asked)

    def cancel() -> None:
        cancelling.append(asyncio.ensure_future(connection.cancel(session_id=identity)))

    cancelling: list[asyncio.Future[None]] = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, cancel)
    tell("prompt", model=model)
    return await connection.prompt(session_id=identity, prompt=[acp.text_block(prompt)])


async def _set_up(connection: ClientSideConnection, identity: str, session: Any, asked: Asked) -> str | None:
    """Set mode, model and effort; returns the model, if the agent tells it. Raises Unoffered."""
    await _set_mode(connection, identity, session, asked)
    options = {
        category: option
        for option in reversed(getattr(session, "config_options", None) or [])
        for category in (option.category, option.id)
    }
    for category, value in ((MODEL, asked.model), ("thought_level", asked.effort)):
        if value is not None:
            await _choose(connection, identity, options.get(category), category=category, value=value)
    return asked.model or _current(options.get(MODEL))


async def _set_mode(connection: ClientSideConnection, identity: str, session: Any, asked: Asked) -> None:
    modes = getattr(session, "modes", None)
    offered = [mode.id for mode in modes.available_modes] if modes else []
    if asked.mode is not None:
        if offered and asked.mode not in offered:
            raise _unoffered("mode", asked.mode, offered)
        await connection.set_session_mode(session_id=identity, mode_id=asked.mode)
    elif asked.permission != DENY and asked.usual_mode in offered:
        await connection.set_session_mode(session_id=identity, mode_id=str(asked.usual_mode))


async def _choose(
    connection: ClientSideConnection, identity: str, option: Any, *, category: str, value: str
) -> None:
    """Choose the offered value, or the one of that name."""
    if option is None:
        raise Unoffered(f"the agent offers no choice of {category}, and {value} was asked for")
    choices = _choices(option)
    named = next((each.value for each in choices if value in (each.value, each.name)), None)
    offered = [each.value for each in choices]
    if choices and named is None:
        raise _unoffered(category, value, offered)
    try:
        await connection.set_config_option(config_id=option.id, session_id=identity, value=named or value)
    except acp.RequestError as error:
        if error.code == NOT_SO:
            raise _unoffered(category, value, offered) from error
        raise


def _choices(option: Any) -> list[Any]:
    """What a setting offers; some agents do so in groups."""
    listed = getattr(option, "options", None) or []
    return [choice for each in listed for choice in (getattr(each, "options", None) or [each])]


def _current(option: Any) -> str | None:
    """The model in use; of one whose value names more than the model, its name."""
    value = getattr(option, "current_value", None)
    chosen = next((each for each in _choices(option) if each.value == value), None)
    return chosen.name if chosen is not None and "|" in chosen.value else value


def _unoffered(category: str, value: str, offered: list[str]) -> Unoffered:
    listed = ", ".join(offered[:MOST_LISTED]) + (", ..." if len(offered) > MOST_LISTED else "")
    return Unoffered(f"the agent does not offer the {category} {value}; it offers {listed or 'none'}")


def _printed_end(turn: asyncio.Future[Any]) -> int | None:
    """Print how the turn ended; returns the exit code, or None to leave it to the agent."""
    if not turn.done():
        turn.cancel()
        return None
    error = turn.exception()
    if error is None:
        tell("end", **_plain(turn.result()))
        return 0
    if isinstance(error, ConnectionError):
        return None
    details = {"code": error.code, "data": error.data} if isinstance(error, acp.RequestError) else {}
    tell("error", message=str(error), kind=type(error).__name__, **details)
    return 1


async def _left(agent: Process, gone: asyncio.Future[int]) -> int:
    """End the agent, now that we are done with it; returns its exit code."""
    if agent.stdin is not None:
        agent.stdin.close()
    for end in (agent.terminate, agent.kill):
        await asyncio.wait({gone}, timeout=LEAVE_S)
        if not gone.done():
            end()
    return await gone


def tell(what: str, **fields: Any) -> None:
    """Print one line; what is not JSON becomes text."""
    line = msgspec.json.encode({"type": what, **fields}, enc_hook=str)
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _plain(message: Any) -> dict[str, Any]:
    plain: dict[str, Any] = message.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


if __name__ == "__main__":
    sys.exit(main())
