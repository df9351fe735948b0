"""Reads the tokens that agents behind the protocol report, in its own words or beside it (SPEC 6).

The protocol has one object of counts for a turn. Beside it, in `_meta`, Qwen Code has the same for each request, and
Claude, Codex and Gemini list counts by model in words of their own; Gemini's leave out thoughts and cached input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.output.json_values import count, objects, table, word
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = {
    "inputTokens": "inputTokens",
    "outputTokens": "outputTokens",
    "totalTokens": "totalTokens",
    "cachedReadTokens": "cachedInputTokens",
    "cachedWriteTokens": "cachedWriteTokens",
    "thoughtTokens": "reasoningOutputTokens",
}
"""The protocol's words for what a list by model calls otherwise."""


class ByModel(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by model. `partial`: more were used than are told."""

    tokens: dict[str | None, Usage] = {}
    partial: bool = False


def of_one(usage: dict[str, Any]) -> Usage:
    """The counts in the protocol's words.

    Whether input includes cached tokens, and output the thoughts, follows from the total reported with them.
    """
    read, write = count(usage, "cachedReadTokens"), count(usage, "cachedWriteTokens")
    used, output = count(usage, "inputTokens"), count(usage, "outputTokens")
    thought, total = count(usage, "thoughtTokens"), count(usage, "totalTokens")
    if total >= used + output + read + write:
        used += read + write
    if total >= used + output + thought:
        output += thought
    return Usage(input=max(used, read + write), output=output, cache_read=read, cache_write=write)


def of_models(quota: dict[str, Any]) -> ByModel:
    """What `_meta.quota` lists by model."""
    listed = [(word(each, "model"), table(each, "token_count")) for each in objects(quota, "model_usage")]
    found = [(model, _counted(counts)) for model, counts in listed]
    return ByModel(tokens=_sums(found), partial=any("totalTokens" not in counts for _, counts in listed))


def _counted(counts: dict[str, Any]) -> Usage:
    if "totalTokens" in counts:
        renamed = {ours: counts.get(theirs) for ours, theirs in _WORDS.items()}
        renamed["cachedWriteTokens"] = counts.get("cachedWriteTokens", counts.get("cacheWriteInputTokens"))
        return of_one(renamed)
    return Usage(input=count(counts, "input_tokens"), output=count(counts, "output_tokens"))


def _sums(found: Iterable[tuple[str | None, Usage]]) -> dict[str | None, Usage]:
    sums: dict[str | None, Usage] = {}
    for model, used in found:
        if used.has_tokens:
            sums[model] = sums.get(model, Usage()) + used
    return sums
