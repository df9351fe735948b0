"""`pitboss queue`: one-off tasks that the live run takes before its rotation, or else the next run (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import DeclaredGroup, argument, option
from pitboss.cli.shared.given import path as a_path
from pitboss.cli.shared.project import project_root
from pitboss.core.embed import one_line
from pitboss.errors import CommandError
from pitboss.screens.columns import Column
from pitboss.screens.output import note, path_in_words, say, when, write_json
from pitboss.screens.table import say_table
from pitboss.store.claims import claimed
from pitboss.store.queue import waiting, withdraw

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.queue import QueuedTask

_COLUMNS = (
    Column("ID", 2, 40),
    Column("QUEUED", 6, 40),
    Column("NAME", 4, 30, gives_way=2),
    Column("AGENT", 5, 20),
    Column("RUNS", 4, 20, gives_way=1),
    Column("DESCRIPTION", 12, 1000, grows=True),
)
_DESCRIPTION_CHARS = 60

queue = DeclaredGroup("queue", "Queue one-off tasks for the live run or the next one.")


@queue.command(asks_click=True)
@argument("text", required=False)
@option("-f", "--file", type=a_path, metavar="FILE", help="Read the task from a file, a prompt file perhaps.")
@option("--agent", metavar="BACKEND", shell_complete=completing.agents, help="The agent that does it.")
@option("--model", metavar="MODEL", help="The model that the agent uses.")
@option("--verify", is_flag=True, help="Run the project's tests before the work lands.")
@option("--parallel", is_flag=True, help="It may run beside other sessions, in a working copy of its own.")
def add(
    text: str | None, file: Path | None, agent: str | None, model: str | None, verify: bool, parallel: bool
) -> None:
    """Queue a task: TEXT for an agent, or a file.

    The live run does it before its rotation goes on; without one it waits for the next run, new or resumed. A task that
    is not --parallel holds back new sessions until it has run alone. It runs once.
    """
    from click import UsageError

    from pitboss.cli.shared.queueing import queue_task
    from pitboss.store.user_text import read_text

    if (text is None) == (file is None):
        raise UsageError("give the TEXT of the task, or a file with -f")
    chosen = {"agent": agent, "model": model, "verify": verify or None, "parallel_safe": parallel or None}
    given = {key: value for key, value in chosen.items() if value is not None}
    root = project_root()
    if file is None:
        queued = queue_task(root, f"{_printable(text)}\n", given=given)
    else:
        queued = queue_task(root, read_text(file), given=given, file=path_in_words(file))
    say(f"queued {queued.id} ({queued.name})")
    note(queued.taken_by)
    for warning in queued.warnings:
        note(f"warning: {warning}")


@queue.command("ls")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tasks(as_json: bool) -> int:
    """List the tasks that wait, the next one first; exit code 1 when a file is wrong.

    JSON: {"tasks": [...], "problems": [{file, line, field, reason}]}, each task with its id, when it was queued, its
    path and its settings.
    """
    found = waiting(project_root())
    if as_json:
        problems = [
            {"file": path_in_words(p.file), "line": p.line, "field": p.field, "reason": p.reason}
            for p in found.problems
        ]
        write_json({"tasks": [_described(task) for task in found.tasks], "problems": problems})
    elif found.tasks:
        say_table(_COLUMNS, [_row(task) for task in found.tasks])
    else:
        say("no tasks are queued")
    for problem in found.problems:
        note(f"error: {problem}")
    return 1 if found.problems else 0


@queue.command()
@argument("task", metavar="ID", shell_complete=completing.queued)
def rm(task: str) -> None:
    """Remove a task from the queue; ID may be the beginning of its id."""
    root = project_root()
    task_id = _find(root, task)
    if not withdraw(root, task_id):
        raise _not_queued(root, task_id)
    say(f"removed {task_id}")


def _find(root: Path, given: str) -> str:
    """The id of the queued task that is, or begins with, `given`; a file that is no task can be removed too."""
    found = waiting(root)
    broken = (problem.file.removesuffix(".md").rpartition("/")[2] for problem in found.problems)
    names = (*(task.id for task in found.tasks), *broken)
    matches = [name for name in names if given and name.startswith(given)]
    if given in matches:
        return given
    if len(matches) > 1:
        raise CommandError(f"'{given}' begins the ids of {len(matches)} tasks: {', '.join(matches)}")
    if not matches:
        raise _not_queued(root, given)
    return matches[0]


def _not_queued(root: Path, task_id: str) -> CommandError:
    by = claimed(root, task_id)
    if by is None:
        return CommandError(
            f"no task '{task_id}' is queued", hint="`pitboss queue ls` lists the tasks that wait"
        )
    return CommandError(
        f"task {task_id} is no longer queued: session {by.seq} of run {by.run_id} took it",
        hint=f"`pitboss show {by.run_id} {by.seq}` shows what came of it; `pitboss skip {by.seq}` stops it",
    )


def _described(task: QueuedTask) -> dict[str, object]:
    meta = task.doc.meta
    return {
        "id": task.id,
        "name": meta.name,
        "description": meta.description,
        "queued_at": datetime.fromtimestamp(task.added, UTC),
        "path": path_in_words(task.doc.source_path),
        "agent": meta.agent,
        "model": meta.model,
        "verify": meta.verify,
        "parallel_safe": meta.parallel_safe,
        "max_session_seconds": meta.max_session_seconds,
        "max_session_cost_usd": meta.max_session_cost_usd,
    }


def _row(task: QueuedTask) -> tuple[str, ...]:
    meta = task.doc.meta
    queued_at = datetime.fromtimestamp(task.added, UTC)
    agent = "-" if meta.agent is None else one_line(meta.agent)
    alone = "beside others" if meta.parallel_safe else "alone"
    described = one_line(meta.description, _DESCRIPTION_CHARS)
    return (task.id, when(queued_at, datetime.now(UTC)), meta.name, agent, alone, described)


def _printable(text: str | None) -> str:
    """The text of an argument; bytes in it that are not UTF-8 are marked."""
    return (text or "").encode(errors="replace").decode()
