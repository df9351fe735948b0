"""The task of `grind -p` and `--prompt-file`, read from where the user has it or from its run's directory (SPEC 10)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.core.prompt_template import unedited
from pitboss.core.session import SessionStatus
from pitboss.core.task import TASK, parse_task, task_rotation
from pitboss.errors import InputError, ResumeError
from pitboss.store.backup import Backup
from pitboss.store.config import load_config
from pitboss.store.files import read_regular
from pitboss.store.library import Inputs, Library
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths
from pitboss.store.user_text import MAX_BYTES, decode_text, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.prompt import PromptDoc
    from pitboss.core.run import RunState
    from pitboss.core.session import Assignment, SessionRecord


def given_task(file: Path) -> PromptDoc:
    """The task in a file of the user's. Raises InputError."""
    return parse_task(read_text(file), os.fspath(file))


def kept_task(repo: Path, run_id: str) -> PromptDoc:
    """The task that a run keeps; the copy in git's folder if somebody has removed or spoilt it.

    Raises ResumeError if both are gone, InputError if there is no sound copy.
    """
    file, copy = RunPaths(repo, run_id).task, Backup(repo).task(run_id)
    data = read_regular(file, MAX_BYTES + 1)
    if data is None and copy is None:
        raise ResumeError(
            f"the task of run {run_id} is gone: {file} is no file",
            hint=f"`pitboss repair {run_id}` settles the run; `pitboss grind -p TEXT` begins another",
        )
    try:
        return _parsed(file, data or b"")
    except InputError:
        if copy is None:
            raise
        return _parsed(file, copy)


def _parsed(file: Path, data: bytes) -> PromptDoc:
    return parse_task(decode_text(str(file), data), str(file))


def task_inputs(repo: Path, task: PromptDoc, runs: int) -> Inputs:
    """What a run of `task` alone reads; neither prompts nor rotations count. Raises InputError."""
    config = load_config(repo)
    if problem := unedited(task):
        raise InputError([problem])
    return Inputs(config=config, library=Library(prompts={TASK: task}), rotation=task_rotation(runs))


def kept_inputs(repo: Path, run: RunState, runs: int) -> Inputs:
    """What a resumed `run` of a task reads, which is to have been worked on `runs` times in all.

    A session that was aborted, or will be because its runner died, did not get to work on it: the task gets that turn
    again. Raises ResumeError, InputError.
    """
    lost = _turns_lost(RunPaths(repo, run.run_id), run)
    return task_inputs(repo, kept_task(repo, run.run_id), runs + lost)


def _turns_lost(paths: RunPaths, run: RunState) -> int:
    """How many turns of the task were cut short; queued tasks and second turns after a conflict are no turns."""
    ended = {r.seq: r.status for r in iter_records(paths.log) if _is_turn(r)}
    for session in run.in_flight:
        if _is_turn(session.assignment):
            outcome = session.progress.outcome
            ended.setdefault(session.seq, outcome.status if outcome else SessionStatus.ABORTED)
    return sum(status is SessionStatus.ABORTED for status in ended.values())


def _is_turn(session: SessionRecord | Assignment) -> bool:
    return session.queued is None and session.retry_of is None
