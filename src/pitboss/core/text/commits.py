"""Messages of the commits that pitboss makes: subject, body, trailers that recovery can trust (SPEC 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.core.config import DEFAULT_SUBJECT
from pitboss.core.embed import clean, first_bytes, one_line, up_to_a_word
from pitboss.core.measures import counted
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import NO_SUMMARY
from pitboss.core.summary import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.session import SessionRecord

MESSAGE_LIMIT = 16 * 1024
SUBJECT_LIMIT = 72
"""The longest a subject that holds the summary may be, in characters."""

_LINE_LIMIT = 120
"""Characters of a summary in a list of sessions."""

PLACEHOLDERS = ("prompt", "session", "seq", "run", "summary")
_RESCUE_SUBJECT = "[pitboss/grind] rescue of"
# Git ends a message at a `---` line or at scissors, wherever they are; recovery reads our own keys.
_MISREAD = lazy_pattern(
    r"^(?=[^\S\n]*pitboss-[a-z]+[^\S\n]*:|---|.*-{24} >8 -{24})", re.IGNORECASE | re.MULTILINE
)


def commit_message(
    *, prompt: str, seq: int, run_id: str, summary: str | None, subject: str = DEFAULT_SUBJECT
) -> str:
    """Message of the commit that lands a session's work, at most 16 KiB of UTF-8 (SPEC 6).

    `subject` is a template with PLACEHOLDERS, as in `[git] subject`; for `{summary}`, the summary's first line is cut
    at a word. The trailers are a paragraph of their own at the very end, and no line of the summary can pass for one.
    The message is meant for `git commit --cleanup=whitespace`.
    """
    text = clean(summary or "").strip() or NO_SUMMARY
    values = {
        "prompt": one_line(prompt),
        "session": f"session-{seq:04}",
        "seq": str(seq),
        "run": run_id,
        "summary": first_line(text),
    }
    return _message(_filled(subject, values), text, _trailers(run_id, seq, prompt))


def picked_message(message: str, *, run_id: str, seq: int, prompt: str) -> str:
    """Message of the commit that lands one session's change by itself on another branch (SPEC 11).

    `message` is that of the session's commit. Only its trailers for this session count; lines that could pass for
    others are quoted.
    """
    trailers = _trailers(run_id, seq, prompt)
    return _finished(clean(message).replace(trailers, ""), trailers)


def squash_message(run_id: str, sessions: Sequence[SessionRecord]) -> str:
    """Message of the one commit that lands several sessions: a line and a trailer for each (SPEC 11)."""
    seqs = "".join(f"\nPitboss-Session: {session.seq}" for session in sessions)
    subject = f"[pitboss/grind] {counted(len(sessions), 'session')} of run {run_id}"
    return _finished(f"{subject}\n\n{_list(sessions)}", f"Pitboss-Run: {run_id}{seqs}")


def merge_message(run_id: str, branch: str, sessions: Sequence[SessionRecord]) -> str:
    """Message of the commit that merges the branch of a run; the sessions' own commits have the trailers (SPEC 11)."""
    subject = f"Merge branch '{branch}'"
    text = _quoted(f"{subject}\n\n{counted(len(sessions), 'session')} of run {run_id}:\n\n{_list(sessions)}")
    return f"{text}\n"


def _trailers(run_id: str, seq: int, prompt: str) -> str:
    return f"Pitboss-Run: {run_id}\nPitboss-Session: {seq}\nPitboss-Prompt: {one_line(prompt)}"


def _list(sessions: Sequence[SessionRecord]) -> str:
    lines = (f"- session {each.seq} ({one_line(each.prompt)}): {_in_short(each)}" for each in sessions)
    return first_bytes("\n".join(lines), MESSAGE_LIMIT)


def _in_short(session: SessionRecord) -> str:
    return up_to_a_word(first_line(session.summary), _LINE_LIMIT)


def _finished(text: str, trailers: str) -> str:
    return f"{_quoted(text).strip()}\n\n{trailers}\n"


def unknown_placeholder(subject: str) -> str | None:
    """The first text in braces in `subject` that is not one of PLACEHOLDERS, with its braces; None when all are."""
    from string import Formatter

    try:
        fields = list(Formatter().parse(subject))
    except ValueError:
        return subject
    for _, name, spec, conversion in fields:
        if name is not None and (name not in PLACEHOLDERS or spec or conversion):
            return f"{{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"
    return None


def _filled(subject: str, values: dict[str, str]) -> str:
    """The subject; if it holds the summary, that is shortened so that everything fits."""
    if "{summary}" not in subject:
        return subject.format_map(values).strip()
    room = SUBJECT_LIMIT - len(subject.format_map(values | {"summary": ""}))
    cut = values | {"summary": up_to_a_word(values["summary"], max(room, 1))}
    return up_to_a_word(subject.format_map(cut).strip(), SUBJECT_LIMIT)


def rescue_message(*, prompt: str, seq: int, run_id: str, reason: str | None) -> str:
    """Message of a commit that only keeps work safe under a rescue ref.

    Its trailers differ from those of a landed commit, so that neither can be mistaken for the other.
    """
    session = f"{one_line(prompt)} session-{seq:04}"
    subject = f"{_RESCUE_SUBJECT} {session} ({run_id})"
    why = f"Not landed: {reason or 'rescued'}."
    return _message(subject, why, f"Pitboss-Rescue: {run_id}/session-{seq:04}")


def _message(subject: str, body: str, trailers: str) -> str:
    subject = _quoted(subject)
    room = MESSAGE_LIMIT - len(subject.encode()) - len(trailers.encode()) - len("\n\n\n\n\n")
    text = first_bytes(_quoted(clean(body)).strip(), room) or NO_SUMMARY
    return f"{subject}\n\n{text}\n\n{trailers}\n"


def _quoted(text: str) -> str:
    return _MISREAD.sub("> ", text)
