"""Queued tasks: prompts that run once, outside any rotation (SPEC 10).

A task's file is a prompt file in which all but the text may be missing: name and description are made up then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.core.foreign_keys import REASONS
from pitboss.core.frontmatter import has_frontmatter, split_frontmatter
from pitboss.core.made_up import beginning, short_name
from pitboss.core.prompt import CHECKS, PromptDoc, PromptMeta, PromptSource, prompt_text
from pitboss.errors import InputError, Problem
from pitboss.typed import from_builtins

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_NAME = "task"
"""What a task is called if no name can be made of its text."""


def parse_queued_task(text: str, *, path: str) -> PromptDoc:
    """Return the task written in `text`, which was read from `path`.

    Raises InputError with every problem of the file.
    """
    settings, body = _read(text, path)
    meta = from_builtins(_complete(settings, body), PromptMeta)
    return PromptDoc(meta=meta, body=body, source_path=path, source_kind=PromptSource.QUEUE)


def queued_task_text(text: str, *, path: str, given: Mapping[str, object], plain: bool = False) -> str:
    """The whole file of a task: `text`, which was read from `path`, with the settings `given` instead of its own.

    `plain` text has no settings, whatever it begins with. Raises InputError with every problem of the file.
    """
    settings, body = _read(text, path, plain=plain)
    return prompt_text(_complete({**settings, **given}, body), body)


def _read(text: str, path: str, *, plain: bool = False) -> tuple[dict[str, Any], str]:
    """The settings and the body of a file; without frontmatter it is all body."""
    settings, body = dict[str, Any](), text.replace("\r\n", "\n")
    if not plain and has_frontmatter(text):
        table, body = split_frontmatter(text, path)
        settings = table.read(CHECKS, foreign=REASONS)
        table.document.finish()
    if not body.strip():
        raise InputError([Problem(path, "has no text to give to an agent")])
    return settings, body


def _complete(settings: Mapping[str, Any], body: str) -> dict[str, Any]:
    """The settings, name and description first; they are made up where they are missing."""
    described = settings.get("description") or beginning(body) or NO_NAME
    named = settings.get("name") or short_name(described) or NO_NAME
    return {"name": named, "description": described, **settings}
