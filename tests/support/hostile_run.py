"""A run whose every text comes from somebody who wants to be more than text: in a browser, or on a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.runs import Run, the_run

if TYPE_CHECKING:
    from tests.support.cli import Project

ATTACK = (
    "\"'><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<svg onload=alert(1)>{{7*7}}{%raw%}</title></textarea><!--&lt;javascript:alert(1)\x1b]0;owned\x07\u202egnp"
)
"""What a browser or a terminal would act on, in one text."""

TOLD = (
    "prompt",
    "summary",
    "reason",
    "agent",
    "model",
    "hidden",
    "unpriced",
    "transcript_path",
    "cost_source",
)


def hostile_run(project: Project) -> Run:
    """A run at rest: hostile file names, contents and output for real, all other texts replaced in its files."""
    script = (
        "mkdir -p '<b>'; echo '<script>alert(1)</script>' > '<b>/\"><img src=x onerror=alert(1)>.txt'\n"
        f"printf '%s\\n' {_quoted(ATTACK)}\n"
        f"printf '%s' {_quoted(ATTACK)} > \"$PITBOSS_SUMMARY_FILE\""
    )
    project.prompt("lands", script)
    project.prompt("rescued", f"{script}; exit 3")
    done = project.pitboss("grind", "--max-iterations", "2")
    assert done.code == 3, done
    run = the_run(project)
    _replace_lines(run, "sessions.jsonl", _told)
    _replace_lines(run, "events.jsonl", _event)
    state = run.state | {"plan_name": ATTACK, "prompt_names": [ATTACK], "stop_reason": ATTACK}
    state |= {"quota": {ATTACK: {"five_hour": {"used": 0.5, "resets_at": 4_000_000_000}}}}
    (run.folder / "state.json").write_text(json.dumps(state))
    project.write(".pitboss/grind/queue/hostile.md", f"{ATTACK}\n")
    return run


def _told(record: dict[str, Any]) -> dict[str, Any]:
    return record | dict.fromkeys(TOLD, ATTACK) | {"cost_known": False}


def _event(event: dict[str, Any]) -> dict[str, Any]:
    if "record" in event:
        event["record"] = _told(event["record"])
    known = {"rotation", "branch", "detail", "text", "slot", "host", "agent", "model", "next_pick", "prompt"}
    return event | {name: ATTACK for name, value in event.items() if name in known and isinstance(value, str)}


def _replace_lines(run: Run, name: str, change: Any) -> None:
    path = run.folder / name
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(change(line), separators=(',', ':'))}\n" for line in lines))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
