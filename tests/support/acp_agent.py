"""A small agent written with the library of the Agent Client Protocol; what it does is a play.

python acp_agent.py JSON        tells each of the list's updates, then ends the turn as the last one says
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import acp
from acp.schema import AgentCapabilities, PermissionOption, ToolCallUpdate


class ProtocolAgent:
    """One session; everything it was asked is kept in `asked.json` of its folder."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def on_connect(self, conn: acp.Client) -> None:
        self.client = conn

    def note(self, **what: Any) -> None:
        self.asked |= what
        with open("asked.json", "w") as file:  # noqa: PTH123
            json.dump(self.asked, file)

    async def initialize(self, protocol_version: int, **_: Any) -> acp.InitializeResponse:
        return acp.InitializeResponse(
            protocol_version=protocol_version, agent_capabilities=AgentCapabilities(load_session=True)
        )

    async def new_session(self, cwd: str, **_: Any) -> acp.NewSessionResponse:
        self.note(cwd=cwd)
        options = json.loads(os.environ.get("ACP_OPTIONS", "[]"))
        modes = json.loads(os.environ.get("ACP_MODES", "null"))
        offered = {"sessionId": "new-1", "configOptions": options, "modes": modes}
        return acp.NewSessionResponse.model_validate(offered)

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> acp.LoadSessionResponse:
        self.note(loaded=session_id)
        await self.client.session_update(session_id, acp.update_agent_message_text("said long ago"))
        return acp.LoadSessionResponse()

    async def set_session_mode(self, session_id: str, mode_id: str, **_: Any) -> None:
        self.note(mode=mode_id)

    async def set_config_option(self, config_id: str, session_id: str, value: str | bool, **_: Any) -> Any:
        if value == "wrong":
            raise acp.RequestError.invalid_params()
        self.note(**{config_id: value})
        return acp.schema.SetSessionConfigOptionResponse(config_options=[])

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> acp.PromptResponse:
        self.note(prompt="".join(block.text for block in prompt))
        return await self._play(session_id, json.loads(sys.argv[1]))

    async def _play(self, session: str, steps: list[dict[str, Any]]) -> acp.PromptResponse:
        for step in steps:
            if "stopReason" in step:
                return acp.PromptResponse.model_validate(step)
            if "error" in step:
                raise acp.RequestError(**step["error"])
            if "permission" in step:
                await self._ask(session, step["permission"])
            elif "wait_s" in step:
                await asyncio.sleep(step["wait_s"])
            else:
                message = {"sessionId": session, "update": step}
                update = acp.schema.SessionNotification.model_validate(message).update
                await self.client.session_update(session, update)
        os._exit(0)

    async def _ask(self, session: str, kinds: list[str]) -> None:
        options = [
            PermissionOption.model_validate({"optionId": f"id-{kind}", "name": kind, "kind": kind})
            for kind in kinds
        ]
        call = ToolCallUpdate(tool_call_id="call-1", title="write a file")
        answer = await self.client.request_permission(session_id=session, tool_call=call, options=options)
        chosen = getattr(answer.outcome, "option_id", answer.outcome.outcome)
        self.note(answers=[*self.asked.get("answers", []), chosen])


if __name__ == "__main__":
    asyncio.run(acp.run_agent(ProtocolAgent()))  # type: ignore[arg-type]
