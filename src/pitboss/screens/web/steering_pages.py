"""Pages that steer a run: one asks, one shows what the run answered (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.answers import Granted, Silence
from pitboss.core.tone import Tone
from pitboss.core.words.deeds import answer_words
from pitboss.screens.web.control import BY, QUESTIONS, Action, action_of, request_of, task_of
from pitboss.screens.web.showing import clock
from pitboss.store.asking import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from pitboss.core.answers import Answer
    from pitboss.screens.desk import Reply
    from pitboss.screens.web.supplies import Supplies
    from pitboss.store.follow import Snapshot


class Answered(NamedTuple):
    """A page that says what became of a request, and the status that programs understand."""

    status: HTTPStatus
    page: Markup


def question(supplies: Supplies, run_id: str, fields: Mapping[str, str]) -> Markup:
    """The form that asks before anything happens. Raises BadForm, RunNotFound, AmbiguousRun."""
    action = action_of(fields)
    seen = supplies.watches.watch(run_id).look()
    return _page(
        supplies,
        "question",
        seen,
        QUESTIONS[action].title,
        action=action,
        asked=QUESTIONS[action],
        seq=fields.get("seq", ""),
        flights=seen.view.in_flight,
        caps=seen.view.caps,
    )


def answer(supplies: Supplies, run_id: str, fields: Mapping[str, str]) -> Answered:
    """Ask the run, or queue the task, and show the answer; this may take seconds.

    Raises BadForm, RunNotFound, AmbiguousRun, StorageError.
    """
    action = action_of(fields)
    seen = supplies.watches.watch(run_id).look()
    if action is Action.QUEUE:
        return _queued(supplies, seen, supplies.desk().queue_task(task_of(fields)))
    request = request_of(action, fields)
    said = ask(supplies.repo, seen.run_id, request, by=BY)
    words = answer_words(said, seen.view, datetime.now(UTC), clock)
    return _answered(supplies, seen, _status(said), words)


def _queued(supplies: Supplies, seen: Snapshot, reply: Reply) -> Answered:
    words = f"{reply.text}; {reply.hint}" if reply.hint else reply.text
    return _answered(supplies, seen, HTTPStatus.OK if reply.done else HTTPStatus.CONFLICT, words)


def _status(said: Answer) -> HTTPStatus:
    match said:
        case Granted():
            return HTTPStatus.OK
        case Silence():
            return HTTPStatus.ACCEPTED
        case _:
            return HTTPStatus.CONFLICT


def _answered(supplies: Supplies, seen: Snapshot, status: HTTPStatus, words: str) -> Answered:
    tone = Tone.OK if status is HTTPStatus.OK else Tone.WARN
    return Answered(status, _page(supplies, "answer", seen, "Answer", words=words, tone=tone))


def _page(supplies: Supplies, template: str, seen: Snapshot, title: str, **values: object) -> Markup:
    return supplies.pages.page(
        template,
        {"title": f"{title} - {seen.run_id} - pitboss"},
        root="../../",
        stream="",
        version="",
        crumbs=((seen.run_id, f"../{seen.run_id}"), (title, None)),
        run_id=seen.run_id,
        **values,
    )
