"""Which options of `grind` contradict each other (SPEC 8, 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.cli.shared.failures import how_to_use
from pitboss.cli.shared.given import NO_CAP
from pitboss.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CHOOSING = {"names": "NAME", "rotation": "--rotation", "prompts_dir": "--prompts-dir", "tags": "--tag"}
"""What chooses among prompts: the parameter, and what it is called on the command line."""


def refuse_contradictions(
    *, text: str | None, prompt_file: Path | None, resume: str | None, **chosen: Any
) -> None:
    """Raise StartError if a task, a resume and the rest of the command line do not go together."""
    if reason := next(_contradictions(text, prompt_file, resume, chosen), None):
        raise StartError(reason, hint=how_to_use("grind"))


def _contradictions(
    text: str | None, prompt_file: Path | None, resume: str | None, chosen: Mapping[str, Any]
) -> Iterator[str]:
    if resume is not None and chosen["start_from"] is not None:
        yield "--from is for a new run: a resumed one continues where it was"
    task = "-p" if text is not None else "--prompt-file" if prompt_file is not None else None
    if task is None:
        return
    if text is not None and prompt_file is not None:
        yield "-p and --prompt-file are two ways to give one task: use either"
    if resume is not None:
        yield f"{task} is for a new run: a resumed one keeps what it works on"
    for name, called in _CHOOSING.items():
        if chosen[name]:
            yield f"{task} is all that the run works on: {called} chooses among other prompts"
    if chosen["max_iterations"] == NO_CAP:
        yield f"{task} has to end: --max-iterations takes the number of its sessions"
