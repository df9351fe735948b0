"""OpenAI's Responses API, as Codex speaks it."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import uuid4

import msgspec

from tests.live import openai_refusals
from tests.live.exchange import Answer, Asked, Refusal, Stream, Trouble, event, halves


class Responses:
    """The service of a Codex provider with `wire_api = "responses"`."""

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a request to `path` is one to a model."""
        return path.endswith("/responses")

    @staticmethod
    def asked(path: str, body: dict[str, Any], text: str) -> Asked:
        """What a request asks; Codex's newest models get their tools in an item of the conversation."""
        items = body["input"] if isinstance(body.get("input"), list) else []
        listed = [inner for tool in body.get("tools") or [] for inner in tool.get("tools") or [tool]]
        tools = {tool.get("name") or tool["type"]: tool.get("parameters") or {} for tool in listed}
        return Asked(
            model=str(body.get("model")),
            text=text,
            tools=tools,
            answered=any(str(item.get("type")).endswith("_call_output") for item in items),
            streaming=bool(body.get("stream")),
            code_mode=any(_brings_exec(item) for item in items),
            spaces={
                inner["name"]: tool["name"]
                for tool in body.get("tools") or []
                for inner in tool.get("tools") or []
            },
        )

    @staticmethod
    def stream(asked: Asked, answer: Answer) -> Stream:
        """The answer in numbered events."""
        numbers = count(1)

        def numbered(kind: str, **data: Any) -> str:
            return event({"type": kind, "sequence_number": next(numbers)} | data, kind)

        response = _response(asked, answer)
        message, *calls = response["output"]
        at = {"item_id": message["id"], "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": []}
        begun, rest = halves(answer.text)
        opened = response | {"status": "in_progress", "output": [], "usage": None}
        first = [
            numbered("response.created", response=opened),
            numbered("response.output_item.added", output_index=0, item=message | {"content": []}),
            numbered("response.content_part.added", part=part, **at),
            numbered("response.output_text.delta", delta=begun, **at),
        ]
        last = [
            numbered("response.output_text.delta", delta=rest, **at),
            numbered("response.output_text.done", text=answer.text, **at),
            numbered("response.output_item.done", output_index=0, item=message),
        ]
        for index, call in enumerate(calls, 1):
            last.append(numbered("response.output_item.added", output_index=index, item=call))
            last.append(numbered("response.output_item.done", output_index=index, item=call))
        last.append(numbered("response.completed", response=response))
        return Stream(first=first, rest=last)

    @staticmethod
    def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
        """The answer in one piece."""
        return _response(asked, answer)

    @staticmethod
    def refusal(trouble: Trouble, resets_at: int) -> Refusal:
        """What OpenAI says instead of an answer."""
        return openai_refusals.refusal(trouble, resets_at)

    @staticmethod
    def gauge(resets_at: int) -> dict[str, str]:
        """How much of a plan is used."""
        return openai_refusals.windows(resets_at, "31.0")


def _brings_exec(item: dict[str, Any]) -> bool:
    """Whether an item of the conversation brings the tool `exec`, maybe in a namespace."""
    if item.get("type") != "additional_tools":
        return False
    tools = [tool for group in item.get("tools") or [] for tool in group.get("tools") or [group]]
    return any(tool.get("type") == "custom" and tool.get("name") == "exec" for tool in tools)


def _response(asked: Asked, answer: Answer) -> dict[str, Any]:
    tokens = answer.tokens
    text = {"type": "output_text", "text": answer.text, "annotations": []}
    message = {
        "type": "message",
        "id": _id("msg"),
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    return {
        "id": _id("resp"),
        "object": "response",
        "status": "completed",
        "model": asked.model,
        "output": [message, *_calls(asked, answer)],
        "error": None,
        "usage": {
            "input_tokens": tokens.input,
            "input_tokens_details": {"cached_tokens": tokens.cached},
            "output_tokens": tokens.output,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
            "total_tokens": tokens.input + tokens.output,
        },
    }


def _calls(asked: Asked, answer: Answer) -> list[dict[str, Any]]:
    call = answer.call
    if call is None:
        return []
    item = {"id": _id("fc"), "call_id": _id("call"), "name": call.tool, "status": "completed"}
    if call.freeform:
        space = {"namespace": "functions"} if asked.code_mode else {}
        return [{"type": "custom_tool_call", "input": call.arguments["input"]} | space | item]
    space = {"namespace": asked.spaces[call.tool]} if call.tool in asked.spaces else {}
    arguments = msgspec.json.encode(call.arguments).decode()
    return [{"type": "function_call", "arguments": arguments} | space | item]


def _id(kind: str) -> str:
    return f"{kind}_{uuid4().hex}"
