"""The one prompt of `grind -p` and `--prompt-file`: made from plain text or from a prompt file (SPEC 10)."""

from __future__ import annotations

import msgspec

from pitboss.core.foreign_keys import REASONS
from pitboss.core.frontmatter import has_frontmatter, split_frontmatter
from pitboss.core.made_up import beginning
from pitboss.core.prompt import CHECKS, PromptDoc, PromptMeta, PromptSource, prompt_text
from pitboss.core.rotation import Entry, Rotation
from pitboss.errors import InputError, Problem
from pitboss.typed import from_builtins

TASK = "task"
"""The name of the prompt, and of the rotation that it is alone in."""


def plain_task(text: str, path: str) -> PromptDoc:
    """A task that is all `text`. Raises InputError if there is none."""
    body = text.replace("\r\n", "\n").rstrip("\n") + "\n"
    if not body.strip():
        raise InputError([Problem(path, "has no text to give to an agent")])
    if any("\ud800" <= char <= "\udfff" for char in body):
        raise InputError([Problem(path, "is not UTF-8 text")])
    meta = PromptMeta(name=TASK, description=beginning(body) or TASK)
    return PromptDoc(meta=meta, body=body, source_path=path, source_kind=PromptSource.TASK)


def parse_task(text: str, path: str) -> PromptDoc:
    """The task in a file: a prompt file whose name does not count and need not be there, or plain text.

    Raises InputError with every problem of the file.
    """
    if not has_frontmatter(text):
        return plain_task(text, path)
    table, body = split_frontmatter(text, path)
    found = table.read(CHECKS, foreign=REASONS)
    table.document.finish()
    bare = plain_task(body, path)
    meta = from_builtins({"description": bare.meta.description} | found | {"name": TASK}, PromptMeta)
    return msgspec.structs.replace(bare, meta=meta, body=body)


def task_text(task: PromptDoc) -> str:
    """The prompt file that says the same; how often it runs is not in it."""

    meta = msgspec.structs.asdict(task.meta)
    default = msgspec.structs.asdict(PromptMeta(name=TASK, description=""))
    says = {
        key: value for key, value in meta.items() if value != default[key] and key not in _OF_THE_ROTATION
    }
    return prompt_text({"name": TASK} | says, task.body)


def task_rotation(runs: int) -> Rotation:
    """The rotation of a task that runs so many times, whatever its own settings say about turns."""
    entry = Entry(name=TASK, weight_override=1, every_override=1, max_runs_override=runs)
    return Rotation(name=TASK, entries=(entry,))


_OF_THE_ROTATION = frozenset({"weight", "every", "max_runs"})
