"""A prompt file as a value: its frontmatter and its body (SPEC 2)."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class PromptSource(StrEnum):
    """Where a prompt was found; also the SOURCE column of `prompts ls`."""

    PROJECT = "project"
    GLOBAL = "global"
    OVERRIDE = "override"


class PromptMeta(msgspec.Struct, frozen=True, kw_only=True):
    """The frontmatter of a prompt, defaults filled in. Caps in seconds and US dollars."""

    name: str
    description: str
    weight: int = 1
    every: int = 1
    max_runs: int | None = None
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
