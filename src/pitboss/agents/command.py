"""The `command` backend: any program that reads the prompt from stdin (SPEC 6).

`[agent.command] command = ["my-agent", "--model={model}"]` names it; `{model}`, `{effort}` and `{resume}` stand for
what the session has of these, and an argument with one that it has not is left out. Exit 0 is ok. It may report in the
file named by `$PITBOSS_USAGE_FILE`, at the end or repeatedly while it runs, as one JSON object:

    {"input_tokens": 1200, "output_tokens": 80, "cache_read_tokens": 900, "cache_write_tokens": 0,
     "cost_usd": 0.0123, "model": "some-model-1", "session_id": "7", "reason": "rate_limited: try again in 2 hours"}

Every key is optional; `input_tokens` includes cached tokens. Without `cost_usd` the tokens are priced by `model` (or
the model configured for the session). A program that used nothing says `"cost_usd": 0`. If there is no file, or no
such object in it, the session ends as usual, with the usage that was last readable and an unknown cost, unless
`[agent.command] usage = "none"` says that the program costs nothing.

`reason` is why it failed: one of our words for that, or the service's own; it makes exit 0 a failure too. `session_id`
is what `{resume}` gets in a later attempt; a reason of `session_lost` says that there is no such session.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.judgement import AgentVerdict, Spend, failed
from pitboss.agents.output.json_values import COUNT_LIMIT
from pitboss.agents.plain import PlainReader
from pitboss.agents.services.failures import service_failure
from pitboss.core.session import Reason
from pitboss.core.usage import Usage
from pitboss.store.opening import open_regular
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

USAGE_FILE = "PITBOSS_USAGE_FILE"
RESUME = "{resume}"
LOST = "session_lost"
REASONS = (
    *(Reason.AGENT_ERROR, Reason.RATE_LIMITED, Reason.OVERLOADED, Reason.AUTH, Reason.BILLING),
    *(Reason.CONTEXT_TOO_LONG, Reason.NOT_FOUND, Reason.PERMISSION_DENIED),
)
"""Our words for why an agent fails that it can know."""

USAGE_FILE_LIMIT = 64 * 1024

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_LIMIT)]
Dollars = Annotated[float, msgspec.Meta(ge=0, le=COUNT_LIMIT)]


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """The usage file: tokens, US dollars, model, session and failure; unknown keys are ignored."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    cost_usd: Dollars | None = None
    model: str | None = None
    session_id: str | None = None
    reason: str | None = None


class CommandAgent(Backend):
    """A program of the user's own, with the composed prompt on stdin."""

    name = "command"
    cost = Cost.EITHER
    install = "set [agent.command] command to a program that exists"
    version_args = None

    def can_resume(self, settings: AgentSettings) -> bool:
        """Whether an argument takes the session to resume."""
        return any(RESUME in word for word in (*settings.command[1:], *settings.extra_args))

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """Start the configured command; raises StartError if there is none."""
        arguments = _filled((*settings.command[1:], *settings.extra_args), request, settings)
        return Launch(
            argv=(self.binary(settings), *arguments),
            stdin=request.text.encode("utf-8", "replace"),
            env={USAGE_FILE: request.usage_file},
        )

    def reader(self, request: AgentRequest) -> CommandReader:
        """A reader of plain text and the usage file."""
        return CommandReader(request)


class CommandReader(PlainReader):
    """Plain text, judged by the exit code, with the usage that the program wrote to its file."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._file = Path(request.usage_file)
        self._asked_model = request.model
        self._last = Spend()
        self._reason: str | None = None

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the reason in the file, else by the exit code."""
        self.spend()
        if self._reason is None:
            return super().verdict(ended)
        word, colon, detail = self._reason.partition(":")
        if word == LOST:
            gone = failed(Reason.AGENT_ERROR, "the session to resume is gone")
            return msgspec.structs.replace(gone, lost_session=True)
        if word in REASONS:
            return failed(Reason(word), detail.strip() if colon else None)
        return failed(service_failure(words=self._reason), self._reason)

    def spend(self) -> Spend:
        """Reread the file: the program may rewrite it while it runs."""
        try:
            report = _read(self._file)
        except FileNotFoundError:
            return self._last
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.trouble = f"${USAGE_FILE} cannot be read: {error}"
            return msgspec.structs.replace(self._last, reported_usd=None, unreadable=True)
        self.trouble = None
        self.model = report.model or self._asked_model
        self._reason = report.reason or None
        self.named(report.session_id or None)
        used = _usage(report)
        nothing = report.cost_usd == 0 and not used.has_tokens
        self._last = Spend(tokens={self.model: used}, reported_usd=report.cost_usd, nothing=nothing)
        return self._last


def _filled(arguments: tuple[str, ...], request: AgentRequest, settings: AgentSettings) -> Iterator[str]:
    """The arguments with what their placeholders stand for; without those for which there is nothing."""
    values = {
        "{model}": request.model or settings.model,
        "{effort}": settings.effort,
        RESUME: request.resume and request.resume.session_id,
    }
    for argument in arguments:
        named = [placeholder for placeholder in values if placeholder in argument]
        found = [value for placeholder in named if (value := values[placeholder])]
        if len(found) == len(named):
            for placeholder, value in zip(named, found, strict=True):
                argument = argument.replace(placeholder, value)  # noqa: PLW2901
            yield argument


def _read(file: Path) -> UsageReport:
    with open_regular(file, alone=True) as usage:
        return from_json(usage.read(USAGE_FILE_LIMIT), UsageReport)


def _usage(report: UsageReport) -> Usage:
    """Tokens as pitboss counts them; an input smaller than its cached parts must have left them out."""
    cached = report.cache_read_tokens + report.cache_write_tokens
    return Usage(
        input=max(report.input_tokens, cached),
        output=report.output_tokens,
        cache_read=report.cache_read_tokens,
        cache_write=report.cache_write_tokens,
    )
