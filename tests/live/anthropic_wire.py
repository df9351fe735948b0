"""Anthropic's Messages API, as Claude Code speaks it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from tests.live.exchange import Answer, Asked, Refusal, Stream, Trouble, event, halves

WEEK_S = 4 * 86400


class Anthropic:
    """The service of `ANTHROPIC_BASE_URL`."""

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a request to `path` is one to a model."""
        return path.endswith("/messages")

    @staticmethod
    def asked(path: str, body: dict[str, Any], text: str) -> Asked:
        """What a request asks."""
        blocks = [
            block
            for message in body.get("messages", [])
            if isinstance(message.get("content"), list)
            for block in message["content"]
        ]
        return Asked(
            model=str(body.get("model")),
            text=text,
            tools={tool["name"]: tool.get("input_schema") or {} for tool in body.get("tools") or []},
            answered=any(block.get("type") == "tool_result" for block in blocks),
            streaming=bool(body.get("stream")),
        )

    @staticmethod
    def stream(asked: Asked, answer: Answer) -> Stream:
        """The answer in events, a tool call in a block of its own."""
        begun, rest = halves(answer.text)
        message = _message(asked, answer) | {"content": [], "stop_reason": None}
        message["usage"] = message["usage"] | {"output_tokens": 1}
        opened = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        first = [
            _named({"type": "message_start", "message": message}),
            _named(opened),
            _delta(0, {"type": "text_delta", "text": begun}),
        ]
        last = [_delta(0, {"type": "text_delta", "text": rest}), _closed(0), *_tool_block(answer)]
        ended = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
        usage = {"output_tokens": answer.tokens.output}
        last.append(_named({"type": "message_delta", "delta": ended, "usage": usage}))
        last.append(_named({"type": "message_stop"}))
        return Stream(first=first, rest=last)

    @staticmethod
    def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
        """The answer in one piece."""
        return _message(asked, answer)

    @staticmethod
    def refusal(trouble: Trouble, resets_at: int) -> Refusal:
        """A typed error; a subscription's limit is told in headers."""
        match trouble:
            case Trouble.RATE:
                words = "This request would exceed your organization's rate limit of 30,000 input tokens per minute."
                return _refused(429, "rate_limit_error", words, {"retry-after": "1"})
            case Trouble.USAGE:
                words = "This request would exceed your account's rate limit. Please try again later."
                headers = _windows(resets_at, five_hours="rejected", used="1.0")
                return _refused(429, "rate_limit_error", words, headers)
            case Trouble.OVERLOADED:
                return _refused(529, "overloaded_error", "Overloaded", {})
            case Trouble.AUTH:
                return _refused(401, "authentication_error", "invalid x-api-key", {})

    @staticmethod
    def gauge(resets_at: int) -> dict[str, str]:
        """How much of the two windows of a subscription is used."""
        return _windows(resets_at, five_hours="allowed", used="0.31")


def _message(asked: Asked, answer: Answer) -> dict[str, Any]:
    """A message; its input tokens are those outside of the cache."""
    tokens = answer.tokens
    content: list[dict[str, Any]] = [{"type": "text", "text": answer.text}]
    if answer.call is not None:
        content.append(_tool_use(answer) | {"input": answer.call.arguments})
    return {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": _stop_reason(answer),
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens.input - tokens.cached - tokens.cache_write,
            "cache_creation_input_tokens": tokens.cache_write,
            "cache_read_input_tokens": tokens.cached,
            "output_tokens": tokens.output,
        },
    }


def _tool_use(answer: Answer) -> dict[str, Any]:
    tool = None if answer.call is None else answer.call.tool
    return {"type": "tool_use", "id": f"toolu_{uuid4().hex}", "name": tool, "input": {}}


def _tool_block(answer: Answer) -> list[str]:
    if answer.call is None:
        return []
    opened = {"type": "content_block_start", "index": 1, "content_block": _tool_use(answer)}
    arguments = msgspec.json.encode(answer.call.arguments).decode()
    return [_named(opened), _delta(1, {"type": "input_json_delta", "partial_json": arguments}), _closed(1)]


def _stop_reason(answer: Answer) -> str:
    return "end_turn" if answer.call is None else "tool_use"


def _named(data: dict[str, Any]) -> str:
    return event(data, data["type"])


def _delta(index: int, delta: dict[str, str]) -> str:
    return _named({"type": "content_block_delta", "index": index, "delta": delta})


def _closed(index: int) -> str:
    return _named({"type": "content_block_stop", "index": index})


def _refused(status: int, kind: str, words: str, headers: dict[str, str]) -> Refusal:
    body = {"type": "error", "error": {"type": kind, "message": words}}
    return Refusal(status=status, body=body, headers=headers)


def _windows(resets_at: int, *, five_hours: str, used: str) -> dict[str, str]:
    unified = "anthropic-ratelimit-unified"
    remaining = max(0, resets_at - int(datetime.now(UTC).timestamp()))
    headers = {
        f"{unified}-status": five_hours,
        f"{unified}-reset": str(resets_at),
        f"{unified}-representative-claim": "five_hour",
        f"{unified}-5h-status": five_hours,
        f"{unified}-5h-reset": str(resets_at),
        f"{unified}-5h-utilization": used,
        f"{unified}-7d-status": "allowed",
        f"{unified}-7d-reset": str(resets_at + WEEK_S),
        f"{unified}-7d-utilization": "0.42",
    }
    return headers | ({"retry-after": str(remaining)} if five_hours == "rejected" else {})
