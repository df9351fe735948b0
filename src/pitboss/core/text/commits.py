"""Messages of the commits that pitboss makes: subject, body, trailers that recovery can trust (SPEC 6)."""

from __future__ import annotations

import re

from pitboss.core.embed import clean, first_bytes, one_line
from pitboss.core.session import NO_SUMMARY

MESSAGE_LIMIT = 16 * 1024
_SUBJECT = "[pitboss/grind]"
# Git ends a message at a `---` line and at scissors, wherever they are; our own keys are what recovery reads.
_MISREAD = re.compile(
    r"^(?=[^\S\n]*pitboss-[a-z]+[^\S\n]*:|---|.*-{24} >8 -{24})", re.IGNORECASE | re.MULTILINE
)


def commit_message(*, prompt: str, seq: int, run_id: str, summary: str | None) -> str:
    """Message of the commit that lands a session's work, at most 16 KiB of UTF-8 (SPEC 6).

    The trailers are a paragraph of their own at the very end, and no line of the summary can be
    read as one of them. The message is meant for `git commit --cleanup=whitespace`.
    """
    session = f"{one_line(prompt)} session-{seq:04}"
    subject = f"{_SUBJECT} {session} ({run_id})"
    trailers = f"Pitboss-Run: {run_id}\nPitboss-Session: {seq}\nPitboss-Prompt: {one_line(prompt)}"
    return _message(subject, summary or NO_SUMMARY, trailers)


def rescue_message(*, prompt: str, seq: int, run_id: str, reason: str | None) -> str:
    """Message of a commit that only keeps work safe under a rescue ref.

    Its trailers differ from a landed commit's, so that neither can be taken for the other.
    """
    session = f"{one_line(prompt)} session-{seq:04}"
    subject = f"{_SUBJECT} rescue of {session} ({run_id})"
    why = f"Not landed: {reason or 'set aside'}."
    return _message(subject, why, f"Pitboss-Rescue: {run_id}/session-{seq:04}")


def _message(subject: str, body: str, trailers: str) -> str:
    room = MESSAGE_LIMIT - len(subject.encode()) - len(trailers.encode()) - len("\n\n\n\n\n")
    text = first_bytes(_quoted(clean(body)).strip(), room) or NO_SUMMARY
    return f"{subject}\n\n{text}\n\n{trailers}\n"


def _quoted(text: str) -> str:
    return _MISREAD.sub("> ", text)
