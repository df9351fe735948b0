"""Queues a task for whoever asks: the command line, and screens that may change a run (SPEC 10)."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.queued_task import parse_queued_task, queued_task_text
from pitboss.core.slash_commands import unexpanded
from pitboss.core.view import Activity
from pitboss.errors import PitbossError
from pitboss.store.config import load_config
from pitboss.store.follow import snapshot
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from pitboss.store.queue import add
from pitboss.store.taking import was_queued_again

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.prompt import PromptDoc


_THE_NEXT_RUN = "the next run takes it: `pitboss grind`, or `pitboss grind --resume`"


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was queued, and what to tell whoever did it: who takes it, and what looks odd about it."""

    id: str
    name: str
    taken_by: str
    warnings: tuple[str, ...] = ()


def queue_task(repo: Path, text: str, *, given: Mapping[str, object], file: str | None = None) -> Queued:
    """Queue the task in `text`, read from `file` or plain, with the settings `given` instead of its own.

    Raises InputError for what is wrong with the text, StartError for an agent that cannot be used, CommandError if the
    queue belongs to another user, StorageError.
    """
    source = file or "TEXT"
    whole = queued_task_text(text, path=source, given=given, plain=file is None)
    doc = parse_queued_task(whole, path=source)
    _refuse_unknown_agent(repo, doc)
    task_id = add(repo, whole, datetime.now(UTC))
    if file is not None:
        was_queued_again(repo, Path(file))
    odd = unexpanded(doc)
    return Queued(
        id=task_id,
        name=doc.meta.name,
        taken_by=_taken_by(repo),
        warnings=() if odd is None else (str(odd),),
    )


def _refuse_unknown_agent(repo: Path, doc: PromptDoc) -> None:
    if doc.meta.agent is not None:
        from pitboss.agents.table import check_agent

        check_agent(doc.meta.agent, load_config(repo))


def _taken_by(repo: Path) -> str:
    live = lock_holder(*lock_paths(repo))
    if live is None:
        return _THE_NEXT_RUN
    if not live.run_id:
        return "the live run takes it"
    run = f"run {live.run_id}"
    with suppress(PitbossError):
        view = snapshot(repo, live.run_id).view
        if view.activity in (Activity.DRAINING, Activity.ABORTING):
            return f"{run} is stopping; {_THE_NEXT_RUN}"
        if view.paused:
            return f"{run} is paused; it takes it after `pitboss unpause`"
    return f"{run} takes it as soon as there is room"
