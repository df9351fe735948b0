"""Which options of `grind` contradict each other (SPEC 8, 10)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from pitboss.cli.shared.failures import how_to_use
from pitboss.cli.shared.given import NO_CAP
from pitboss.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHOOSING = {"names": "NAME", "rotation": "--rotation", "prompts_dir": "--prompts-dir", "tags": "--tag"}
"""What chooses among prompts: the parameter, and what it is called on the command line."""


def refuse_contradictions(*, resume: str | None, **chosen: Any) -> None:
    """Raise StartError if a task, a resume, a run without this terminal and the rest do not go together."""
    reasons = (_of_a_resume(resume, chosen), _of_a_task(resume, chosen), _of_the_terminal(chosen))
    if reason := next(chain(*reasons), None):
        raise StartError(reason, hint=how_to_use("grind"))


def _of_a_resume(resume: str | None, chosen: Mapping[str, Any]) -> Iterator[str]:
    if resume is not None and chosen["start_from"] is not None:
        yield "--from is for a new run: a resumed one continues where it was"


def _of_the_terminal(chosen: Mapping[str, Any]) -> Iterator[str]:
    away = "--tui" if chosen["tui"] else "--detach" if chosen["detach"] else None
    if away is not None and chosen["dry_run"]:
        yield f"--dry-run starts no run that {away} could be about"
    if chosen["dry_run"] and chosen["as_json"]:
        yield "--dry-run prints text, --json is for programs: use either"
    if chosen["tui"] and chosen["as_json"]:
        yield "--tui shows the run to a person, --json is for programs: use either"


def _of_a_task(resume: str | None, chosen: Mapping[str, Any]) -> Iterator[str]:
    text, file = chosen["text"], chosen["prompt_file"]
    task = "-p" if text is not None else "--prompt-file"
    if text is None and file is None:
        return
    if text is not None and file is not None:
        yield "-p and --prompt-file are two ways to give one task: use either"
    if resume is not None:
        yield f"{task} is for a new run: a resumed one keeps what it works on"
    for name, called in _CHOOSING.items():
        if chosen[name]:
            yield f"{task} is all that the run works on: {called} chooses among other prompts"
    if chosen["max_iterations"] == NO_CAP:
        yield f"{task} has to end: --max-iterations takes the number of its sessions"
