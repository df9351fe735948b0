"""Adds up what one start of Claude Code used, from its messages and its result lines (SPEC 4, 6).

- Each content block is an `assistant` line that repeats its message's usage, so each message must count only once.
  Its output is known only from `message_delta` or the result.
- `input_tokens` leaves out cached tokens; ours includes them. `cache_creation` says which were cached for an hour.
- A result's `usage` covers the main loop of this start; `modelUsage` also covers subagents and what a budget cut off.
  After `--resume` the cost and `modelUsage` cover the whole session.
- More work, and more results, may follow a result: their cost is a total, their usage a turn's or a total.
- A `costBasis` other than `list` means that the CLI guessed the price of a model it does not know.
"""

from __future__ import annotations

from typing import Any

from pitboss.agents.judgement import Spend
from pitboss.agents.output.json_values import amount, count, table, word
from pitboss.core.usage import Usage

SYNTHETIC = "<synthetic>"
"""The model name of messages that the CLI wrote itself."""

OPEN_MESSAGES = 64
"""How many messages may still change their usage; never so many stream at once, subagents included."""

ByModel = dict[str | None, Usage]


class Bill:
    """The bill of one start; `billed` is what earlier starts of the session were billed for."""

    def __init__(self, billed: Usage) -> None:
        self.billed = billed
        self.messages = MessageUsages()
        self._result: dict[str, Any] = {}
        self._stated = Usage()
        self._total_usd: float | None = None
        self._at_result: ByModel = {}

    def ended(self, result: dict[str, Any]) -> None:
        """Take in a result line; one that is printed again says nothing new."""
        if result == self._result:
            return
        stated = tokens(table(result, "usage"))
        a_turns_own = bool(self._result) and stated.input < self.messages.main_input
        self._stated = self._stated + stated if a_turns_own else self._stated.at_least(stated)
        self._add_cost(amount(result, "total_cost_usd"))
        self._result = result
        self._at_result = self.messages.by_model()

    def spend(self, model: str | None) -> Spend:
        """What the messages used, what the results count beyond that, and what came after the last result.

        `model` is the main loop's. The result's own cost stands unless it was guessed, or is 0 for tokens used.
        """
        seen = self.messages.by_model()
        if not self._result:
            return Spend(tokens=seen)
        later = _grown(seen, self._at_result)
        whole = self._stated.at_least(self._models_of_this_start()) + _sum(later)
        by_model = self._by_model(seen, whole, model)
        cost = self._cost()
        bases = [word(each, "costBasis") for each in table(self._result, "modelUsage").values()]
        guessed = any(basis not in (None, "list") for basis in bases)
        empty = not cost and any(used.has_tokens for used in by_model.values())
        if guessed or empty:
            return Spend(tokens=by_model)
        unreported = {} if cost is None else later
        nothing = cost == 0 and not seen and self._is_success
        return Spend(tokens=by_model, reported_usd=cost, unreported=unreported, nothing=nothing)

    @property
    def _is_success(self) -> bool:
        """Whether nothing broke off: an interrupted request is not among the messages, but may have been billed."""
        return word(self._result, "subtype") == "success" and self._result.get("is_error") is False

    def _by_model(self, seen: ByModel, whole: Usage, main: str | None) -> ByModel:
        """The messages' tokens; the rest of the total goes to models that no message named, then to the main one."""
        sums, rest = dict(seen), whole.beyond(_sum(seen))
        for name, entry in table(self._result, "modelUsage").items():
            part = rest.beyond(rest.beyond(_model_tokens(entry)))
            if name not in seen and part.has_tokens:
                sums[name], rest = part, rest.beyond(part)
        if rest.has_tokens or not sums:
            sums[main] = sums.get(main, Usage()) + rest
        return sums

    def _add_cost(self, total: float | None) -> None:
        before = self._total_usd
        self._total_usd = total if before is None or total is None or total >= before else before + total

    def _cost(self) -> float | None:
        """The cost of this start alone."""
        total = self._total_usd
        if total is None or not self._has_earlier_starts:
            return total
        return max(0.0, total - self.billed.cost_usd)

    @property
    def _has_earlier_starts(self) -> bool:
        """Whether the totals cover the whole session, that is, exceed what this start's main loop used."""
        return self.billed.has_tokens and self._models().beyond(self._stated).has_tokens

    def _models_of_this_start(self) -> Usage:
        return self._models().beyond(self.billed) if self._has_earlier_starts else self._models()

    def _models(self) -> Usage:
        """The sum of `modelUsage`."""
        return sum(map(_model_tokens, table(self._result, "modelUsage").values()), Usage())


class MessageUsages:
    """Each message's usage, counted once, in memory that does not grow with their number.

    `main_input` is the input of the main loop's messages alone.
    """

    def __init__(self) -> None:
        self.main_input = 0
        self._open: dict[str, tuple[str, Usage]] = {}
        self._sums: ByModel = {}
        self._streaming: dict[str | None, str] = {}

    def saw(self, message: dict[str, Any], parent: str | None) -> bool:
        """Count the usage of `message`, from the loop under the tool call `parent`; whether that changed anything."""
        identity, model = word(message, "id"), word(message, "model")
        if identity is None or model in (None, SYNTHETIC):
            return False
        self._streaming[parent] = identity
        if len(self._streaming) > OPEN_MESSAGES:
            del self._streaming[next(iter(self._streaming))]
        return self._set(identity, str(model), tokens(table(message, "usage")), main=parent is None)

    def wrote(self, usage: dict[str, Any], parent: str | None) -> bool:
        """Count the usage so far of the message that streams under `parent`; whether that changed anything."""
        identity = self._streaming.get(parent)
        if identity not in self._open:
            return False
        return self._set(identity, self._open[identity][0], tokens(usage), main=parent is None)

    def by_model(self) -> ByModel:
        """The sums so far. They are kept up to date message by message, since every step of an agent asks for them."""
        return dict(self._sums)

    def _set(self, identity: str, model: str, usage: Usage, *, main: bool) -> bool:
        counted_for, had = self._open.get(identity, (model, Usage()))
        now = had.at_least(usage)
        self._open[identity] = (model, now)
        if counted_for != model:
            self._sums[counted_for] = self._sums[counted_for].beyond(had)
        self._sums[model] = self._sums.get(model, Usage()) + (
            now.beyond(had) if counted_for == model else now
        )
        self.main_input += (now.input - had.input) * main
        if len(self._open) > OPEN_MESSAGES:
            del self._open[next(iter(self._open))]
        return now != had


def tokens(usage: dict[str, Any]) -> Usage:
    """Parse a `usage` as the service writes it."""
    created = table(usage, "cache_creation")
    hour, minutes = count(created, "ephemeral_1h_input_tokens"), count(created, "ephemeral_5m_input_tokens")
    read = count(usage, "cache_read_input_tokens")
    write = max(count(usage, "cache_creation_input_tokens"), hour + minutes)
    return Usage(
        input=count(usage, "input_tokens") + read + write,
        output=count(usage, "output_tokens"),
        cache_read=read,
        cache_write=write,
        cache_write_1h=hour,
    )


def _model_tokens(total: object) -> Usage:
    """Parse one entry of `modelUsage`."""
    entry = total if isinstance(total, dict) else {}
    read, write = count(entry, "cacheReadInputTokens"), count(entry, "cacheCreationInputTokens")
    return Usage(
        input=count(entry, "inputTokens") + read + write,
        output=count(entry, "outputTokens"),
        cache_read=read,
        cache_write=write,
        cache_write_1h=min(write, count(entry, "cacheCreationEphemeral1hInputTokens")),
    )


def _grown(now: ByModel, before: ByModel) -> ByModel:
    grown = {model: used.beyond(before.get(model, Usage())) for model, used in now.items()}
    return {model: used for model, used in grown.items() if used.has_tokens}


def _sum(sums: ByModel) -> Usage:
    return sum(sums.values(), Usage())
