"""A prompt file as a value: its frontmatter and its body (SPEC 2)."""

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.fields import Wrong, amount, count, flag, folded, labels, nullable, one_line, shown
from pitboss.core.foreign_keys import REASONS
from pitboss.core.frontmatter import split_frontmatter
from pitboss.core.patterns import lazy_pattern
from pitboss.core.plain_yaml import word
from pitboss.typed import from_builtins

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = lazy_pattern(r"[a-z0-9][a-z0-9_-]*")


class PromptSource(StrEnum):
    """Where a prompt was found; also the SOURCE column of `prompts ls`."""

    PROJECT = "project"
    GLOBAL = "global"
    OVERRIDE = "override"
    TASK = "task"
    QUEUE = "queue"


class PromptMeta(msgspec.Struct, frozen=True, kw_only=True):
    """The frontmatter of a prompt, defaults filled in. Caps in seconds and US dollars."""

    name: str
    description: str
    weight: int = 1
    every: int = 1
    max_runs: int | None = None
    max_barren: int | None = None
    verify: bool = False
    parallel_safe: bool = False
    tags: tuple[str, ...] = ()
    max_session_seconds: int | None = None
    max_session_cost_usd: float | None = None
    agent: str | None = None
    model: str | None = None


class PromptDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed prompt file. `body` is kept verbatim, CRLF read as LF."""

    meta: PromptMeta
    body: str
    source_path: str
    source_kind: PromptSource


def parse_prompt(text: str, *, path: str, source: PromptSource) -> PromptDoc:
    """Return the prompt written in `text`, which was read from `path`.

    Raises InputError with every problem of the file.
    """
    table, body = split_frontmatter(text, path)
    found = table.read(CHECKS, required=("name", "description"), foreign=REASONS)
    table.document.finish()
    meta = from_builtins(found, PromptMeta)
    return PromptDoc(meta=meta, body=body, source_path=path, source_kind=source)


def prompt_text(settings: "Mapping[str, object]", body: str) -> str:
    """The text of a prompt file with these settings, in their order."""
    front = "".join(f"{key}: {_spelled(key, value)}\n" for key, value in settings.items())
    return f"---\n{front}---\n{body}"


def _spelled(key: str, value: object) -> str:
    """A value as YAML reads it; a name has no quotes unless it would be something else without, such as a number."""
    if key == "name" and isinstance(value, str) and word(value) == value:
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


def prompt_name(value: object) -> str:
    """Check the name of a prompt; raises Wrong."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Wrong(f"must be of a-z, 0-9, `-` and `_`, and begin with a letter or digit, not {shown(value)}")
    return value


CHECKS = {
    "name": prompt_name,
    "description": folded,
    "weight": count(1),
    "every": count(1),
    "max_runs": nullable(count(0)),
    "max_barren": nullable(count(1)),
    "verify": flag,
    "parallel_safe": flag,
    "tags": labels,
    "max_session_seconds": nullable(count(1)),
    "max_session_cost_usd": nullable(amount),
    "agent": nullable(one_line),
    "model": nullable(one_line),
}
"""Every key of the frontmatter, with the check of its value."""
