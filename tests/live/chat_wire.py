"""OpenAI's Chat Completions API, as opencode, Qwen Code, Copilot and aider speak it."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import msgspec

from tests.live import openai_refusals
from tests.live.exchange import Answer, Asked, Refusal, Stream, Trouble, event, halves


class Chat:
    """The service of `OPENAI_BASE_URL` and its likes."""

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a request to `path` is one to a model."""
        return path.endswith("/chat/completions")

    @staticmethod
    def asked(path: str, body: dict[str, Any], text: str) -> Asked:
        """What a request asks."""
        functions = [tool["function"] for tool in body.get("tools") or []]
        return Asked(
            model=str(body.get("model")),
            text=text,
            tools={function["name"]: function.get("parameters") or {} for function in functions},
            answered=any(message.get("role") == "tool" for message in body.get("messages", [])),
            streaming=bool(body.get("stream")),
            counts_in_stream=bool((body.get("stream_options") or {}).get("include_usage")),
        )

    @staticmethod
    def stream(asked: Asked, answer: Answer) -> Stream:
        """The answer in chunks; what it costs only for those who ask for it."""
        base = _base(asked, "chat.completion.chunk")

        def chunk(delta: dict[str, Any], reason: str | None = None) -> str:
            return event(base | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

        begun, rest = halves(answer.text)
        last = [chunk({"content": rest})]
        if answer.call is not None:
            last.append(chunk({"tool_calls": [{"index": 0} | _tool_call(answer)]}))
        last.append(chunk({}, _finish_reason(answer)))
        if asked.counts_in_stream:
            last.append(event(base | {"choices": [], "usage": _usage(answer)}))
        last.append(event("[DONE]"))
        return Stream(first=[chunk({"role": "assistant", "content": begun})], rest=last)

    @staticmethod
    def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
        """The answer in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.call is not None:
            message["tool_calls"] = [_tool_call(answer)]
        choice = {"index": 0, "message": message, "finish_reason": _finish_reason(answer)}
        return _base(asked, "chat.completion") | {"choices": [choice], "usage": _usage(answer)}

    @staticmethod
    def refusal(trouble: Trouble, resets_at: int) -> Refusal:
        """What OpenAI says instead of an answer."""
        return openai_refusals.refusal(trouble, resets_at)

    @staticmethod
    def gauge(resets_at: int) -> dict[str, str]:
        """Nothing: there are no subscriptions here."""
        return {}


def _base(asked: Asked, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
    }


def _tool_call(answer: Answer) -> dict[str, Any]:
    call = answer.call
    assert call is not None
    arguments = msgspec.json.encode(call.arguments).decode()
    function = {"name": call.tool, "arguments": arguments}
    return {"id": f"call_{uuid4().hex}", "type": "function", "function": function}


def _finish_reason(answer: Answer) -> str:
    return "stop" if answer.call is None else "tool_calls"


def _usage(answer: Answer) -> dict[str, Any]:
    tokens = answer.tokens
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }
