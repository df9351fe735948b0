"""Classifies Gemini CLI's failures by its words, its complaints and its exit code (SPEC 6).

A message is `[API Error: WORDS]`, where the words may be the service's whole JSON answer, and advice that is the same
for every limit may follow. Which quota is used up, and for how long, the CLI says only on stderr:
`TerminalQuotaError: WORDS`, then the answer. The exit code of a failed request is its HTTP status, of which the system
keeps eight bits: 429 becomes 173.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.output.json_values import count, epoch, object_in, objects, table, word
from pitboss.agents.output.lines import last_line, shortened
from pitboss.agents.services.failures import LONG_WAIT_S, service_failure, wait_s
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from pitboss.agents.judgement import AgentExit

API_ERROR = lazy_pattern(r"\[API Error: (.*)\]", re.DOTALL)
LOG_IN_ADVICE = "set GEMINI_API_KEY, and security.auth.selectedType in settings.json if it has a base URL too"
ERROR = lazy_pattern(r"(?:\A|\s)_?(\w*Error): (.*)")
REASON = lazy_pattern(r"\breason: '(\w+)'", re.ASCII)
DELAY = lazy_pattern(r"\bretryDelayMs: (\d{1,12}(?:\.\d+)?)", re.ASCII)
QUOTA_ERRORS = ("TerminalQuotaError", "RetryableQuotaError")


class GeminiFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why it failed, in words to show, and how many seconds to wait, if it says so."""

    reason: Reason
    words: str
    wait_s: float | None = None

    def ends_at(self, said_at: str | None) -> float | None:
        """When a limit ends, epoch seconds; `said_at` is when the CLI said so, in its own time format."""
        if self.wait_s is None or self.reason is not Reason.RATE_LIMITED:
            return None
        said = epoch(said_at)
        return None if said is None else said + self.wait_s


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A service's answer: words to show, everything it said, names of what failed, the HTTP status."""

    words: str
    said: str
    codes: tuple[str | None, ...] = ()
    status: int = 0


class _Code(IntEnum):
    """The CLI's own exit codes; those of failed requests begin at 144."""

    NOT_LOGGED_IN = 41
    NOT_TRUSTED = 55


def failure(message: str, ended: AgentExit) -> GeminiFailure:
    """Why a program failed, given that its result line says it did."""
    wrapped = API_ERROR.search(message)
    answer = _unfolded(message if wrapped is None else wrapped[1])
    complaint = _complained(ended)
    if complaint is not None and set(QUOTA_ERRORS).isdisjoint(complaint.codes):
        complaint = None
    return _named(answer, complaint, ended)


def refusal(ended: AgentExit) -> GeminiFailure | None:
    """Why a program exited without a result line; None for codes and complaints that do not mean a refusal."""
    words = last_line(ended.complaints)
    match ended.code:
        case _Code.NOT_LOGGED_IN:
            said = LOG_IN_ADVICE if words is None else shortened(f"{words} ({LOG_IN_ADVICE})")
            return GeminiFailure(reason=Reason.AUTH, words=said)
        case _Code.NOT_TRUSTED:
            return GeminiFailure(reason=Reason.PERMISSION_DENIED, words=words or "the folder is not trusted")
    status, complaint = _http_status(ended.code), _complained(ended)
    if complaint is not None:
        why = _named(complaint, None, ended)
        return None if why.reason is Reason.AGENT_ERROR else why
    if not status:
        return None
    return GeminiFailure(reason=service_failure(status=status), words=words or f"HTTP status {status}")


def complained(message: str | None, ended: AgentExit) -> GeminiFailure | None:
    """Why a program failed whose last word was an `error` line; None if that tells no reason."""
    why = None if message is None else failure(message, ended)
    return None if why is None or why.reason is Reason.AGENT_ERROR else why


def _named(answer: _Answer, complaint: _Answer | None, ended: AgentExit) -> GeminiFailure:
    """The failure according to `answer`; `complaint` may say more about a quota."""
    more = _Answer(words="", said="") if complaint is None else complaint
    reason = service_failure(
        codes=(*more.codes, *answer.codes),
        words=answer.said,
        status=answer.status or more.status or _http_status(ended.code),
        cli="gemini",
    )
    left_s = wait_s(answer.said) or wait_s(more.said)
    if reason is Reason.OVERLOADED and (left_s or 0.0) > LONG_WAIT_S:
        reason = Reason.RATE_LIMITED
    return GeminiFailure(reason=reason, words=answer.words, wait_s=left_s)


def _complained(ended: AgentExit) -> _Answer | None:
    """The last error on stderr with what is printed below it; None if there is none."""
    stderr = ended.complaints.decode("utf-8", "replace")
    errors = list(ERROR.finditer(stderr))
    if not errors:
        return None
    last = errors[-1]
    answer, below = _unfolded(last[2]), stderr[last.end() :]
    delay = DELAY.search(below)
    left_s = float(delay[1]) / 1000 if delay else wait_s(below)
    waits = "" if left_s is None else f" retry in {left_s:.3f}s"
    codes = (*reversed(REASON.findall(below)), last[1], *answer.codes)
    return msgspec.structs.replace(answer, said=f"{answer.said}{waits}", codes=codes)


def _unfolded(words: str) -> _Answer:
    """The service's answer, which may be inside another one or in a list; other words are left as they are."""
    error = table(object_in(words.strip().removeprefix("[").removesuffix("]")), "error")
    message = word(error, "message") or words
    if message.lstrip().startswith("{") and message != words:
        return _unfolded(message)
    details = objects(error, "details")
    quotas = (word(each, "quotaId") or "" for detail in details for each in objects(detail, "violations"))
    waits = (f"retry in {delay}" for detail in details if (delay := word(detail, "retryDelay")))
    return _Answer(
        words=message,
        said=" ".join((message, *quotas, *waits)),
        codes=tuple(word(detail, "reason") for detail in details),
        status=count(error, "code"),
    )


def _http_status(code: int | None) -> int:
    """The status whose lower eight bits the exit code may be; 0 if it is not that of a failed request."""
    return 0 if code is None or not 144 <= code <= 255 else code + 256
