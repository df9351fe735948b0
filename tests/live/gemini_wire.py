"""Google's Gemini API, as Gemini CLI speaks it."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from tests.live.exchange import Answer, Asked, Refusal, Stream, Trouble, event, halves

TYPES = "type.googleapis.com/google.rpc."


class Gemini:
    """The service of `GOOGLE_GEMINI_BASE_URL`."""

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a request to `path` is one to a model."""
        return path.endswith((":generateContent", ":streamGenerateContent"))

    @staticmethod
    def asked(path: str, body: dict[str, Any], text: str) -> Asked:
        """What a request asks; the model is in its path."""
        functions = [
            each for tool in body.get("tools") or [] for each in tool.get("functionDeclarations") or []
        ]
        parts = [part for content in body.get("contents") or [] for part in content.get("parts") or []]
        return Asked(
            model=path.rpartition("/")[2].partition(":")[0],
            text=text,
            tools={f["name"]: f.get("parametersJsonSchema") or f.get("parameters") or {} for f in functions},
            answered=any("functionResponse" in part for part in parts),
            streaming=path.endswith(":streamGenerateContent"),
        )

    @staticmethod
    def stream(asked: Asked, answer: Answer) -> Stream:
        """The answer in pieces, the last of which counts its tokens."""
        begun, rest = halves(answer.text)
        last = [event(_piece(asked, [{"text": rest}]))]
        if calls := _calls(answer):
            last.append(event(_piece(asked, calls)))
        last.append(event(_piece(asked, [{"text": ""}], answer)))
        return Stream(first=[event(_piece(asked, [{"text": begun}]))], rest=last)

    @staticmethod
    def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
        """The answer in one piece."""
        return _piece(asked, [{"text": answer.text}, *_calls(answer)], answer)

    @staticmethod
    def refusal(trouble: Trouble, resets_at: int) -> Refusal:
        """A status with details; a wrong key is a bad request here."""
        match trouble:
            case Trouble.RATE:
                return _quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", 1)
            case Trouble.USAGE:
                remaining = max(0, resets_at - int(time.time()))
                return _quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", remaining)
            case Trouble.OVERLOADED:
                return _refused(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
            case Trouble.AUTH:
                info = {"@type": f"{TYPES}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
                words = "API key not valid. Please pass a valid API key."
                return _refused(400, "INVALID_ARGUMENT", words, info)

    @staticmethod
    def gauge(resets_at: int) -> dict[str, str]:
        """Nothing: quotas are told only when they are used up."""
        return {}


def _piece(asked: Asked, parts: list[dict[str, Any]], ended: Answer | None = None) -> dict[str, Any]:
    """A part of an answer, or all of it when it `ended`; thoughts are no part of the candidates' tokens."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    piece = {"candidates": [candidate], "modelVersion": asked.model, "responseId": uuid4().hex}
    if ended is None:
        return piece
    tokens = ended.tokens
    candidate["finishReason"] = "STOP"
    counts = {
        "promptTokenCount": tokens.input,
        "cachedContentTokenCount": tokens.cached,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
    }
    return piece | {"usageMetadata": counts}


def _calls(answer: Answer) -> list[dict[str, Any]]:
    call = answer.call
    return [] if call is None else [{"functionCall": {"name": call.tool, "args": call.arguments}}]


def _quota(name: str, retry_s: int) -> Refusal:
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    failure = {
        "@type": f"{TYPES}QuotaFailure",
        "violations": [{"quotaMetric": metric, "quotaId": name, "quotaValue": "50"}],
    }
    retry = {"@type": f"{TYPES}RetryInfo", "retryDelay": f"{retry_s}s"}
    words = f"You exceeded your current quota, please check your plan.\nPlease retry in {retry_s}s."
    return _refused(429, "RESOURCE_EXHAUSTED", words, failure, retry)


def _refused(code: int, status: str, words: str, *details: dict[str, Any]) -> Refusal:
    return Refusal(
        status=code, body={"error": {"code": code, "message": words, "status": status, "details": details}}
    )
