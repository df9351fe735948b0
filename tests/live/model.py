"""The model behind the wires: it writes one file with the tools it is offered, and each of its answers has a price."""

from __future__ import annotations

import re
import shlex
import sys
from enum import StrEnum
from typing import Any

import msgspec

from tests.live.exchange import ASIDE, GREETING, LAST_WORD, PLAN, Answer, Asked, Call, Tokens

WRITERS = ("Write", "write_file", "write", "create_file", "create")
SHELLS = ("Bash", "exec_command", "shell_command", "shell", "run_shell_command", "bash", "Shell")
PATH_KEYS, TEXT_KEYS = (
    ("file_path", "filePath", "absolute_path", "path"),
    ("content", "file_text", "contents"),
)
SHELL_KEYS = ("command", "cmd", "script", "input")
PATIENCE = {"timeout": 600_000, "timeout_ms": 600_000, "yield_time_ms": 600_000, "initial_wait": 600}
"""Ways to ask for a command that may take long."""

SLEEP_S = 271
SLEEPER = f"{shlex.quote(sys.executable)} -c 'import time; time.sleep({SLEEP_S})'"
"""Not `sleep`: some shell tools refuse that."""

DELEGATES = ("Agent", "Task", "agent", "task", "spawn_agent", "invoke_agent")
ERRAND_KEYS = ("prompt", "message")
KINDS = {
    "subagent_type": "general",
    "agent_type": "general-purpose",
    "agent_name": "generalist",
    "mode": "sync",
}
"""A subagent that may write, where its kind has to be named."""

IN_BACKGROUND: dict[str, Any] = {
    "run_in_background": True,
    "is_background": True,
    "mode": "async",
    "yield_time_ms": 250,
}
"""Ways to ask for a command that goes on by itself."""

SPAWNED, AWAIT = r'agent_id[\\": ]+([0-9a-f-]{36})', "wait_agent"
"""Codex answers a delegation at once: what came of it is asked with another tool."""
ERRAND = "You run an errand."
"""What marks the conversation of a subagent; a main one is marked once its errand is done."""

BACKGROUND_S = 20
"""How long a command in the background works: longer than a CLI takes to exit on a busy machine."""

CALLING = Tokens(input=1800, output=20, cached=500, cache_write=300, reasoning=4)
ENDING = Tokens(input=1040, output=14, cached=800, cache_write=40, reasoning=3)
AIDER = Tokens(input=2840, output=34, cached=1300, reasoning=7)
BESIDE = Tokens(input=11, output=3)


class Scenario(StrEnum):
    """What the service does to an agent."""

    OK = "ok"
    USAGE_LIMIT = "usage_limit"
    LIMIT_MIDWAY = "limit_midway"
    RATE_ONCE = "rate_once"
    OVERLOADED = "overloaded"
    OUTAGE = "outage"
    AUTH_ONCE = "auth_once"
    AUTH = "auth"
    HANG = "hang"
    CUT = "cut"
    CUT_CLEAN = "cut_clean"
    LONGTOOL = "longtool"
    BUDGET = "budget"
    SUBAGENT = "subagent"
    BACKGROUND = "background"
    LONG_OUTAGE = "long_outage"
    TOGETHER = "together"
    MAX_BUDGET = "max_budget"
    SANDBOX = "sandbox"


ENDLESS_WORK = (Scenario.BUDGET, Scenario.MAX_BUDGET)
"""Where the model always wants one more tool."""


def answer(asked: Asked, scenario: Scenario) -> Answer:
    """What the model says: first it calls a tool, then it is done; asked for no work, it says a word."""
    if asked.answered and scenario is Scenario.SUBAGENT and (wait := _awaited(asked)) is not None:
        return Answer(text=PLAN, call=wait, tokens=CALLING)
    if asked.answered and scenario not in ENDLESS_WORK:
        return Answer(text=LAST_WORD, call=None, tokens=ENDING)
    call = _call(asked, scenario)
    if call is not None:
        # Always in other words: some CLIs notice that they go round in circles.
        plan = f"{PLAN} {len(asked.text)}" if scenario in ENDLESS_WORK else PLAN
        return Answer(text=plan, call=call, tokens=CALLING)
    if "*SEARCH/REPLACE*" in asked.text or "*file listing*" in asked.text:
        return Answer(text=_aider_edit(asked.text), call=None, tokens=AIDER)
    return Answer(text=ASIDE, call=None, tokens=BESIDE)


def _call(asked: Asked, scenario: Scenario) -> Call | None:
    """The tool to call, of those that are offered."""
    if scenario is Scenario.SUBAGENT and ERRAND not in asked.text:
        return _errand(asked)
    if (
        own := {Scenario.BACKGROUND: _in_background, Scenario.TOGETHER: _beside_others}.get(scenario)
    ) is not None:
        return own(asked)
    long = scenario is Scenario.LONGTOOL
    if asked.code_mode:
        return Call(tool="exec", arguments={"input": _script(asked, long=long)}, freeform=True)
    writer = next((name for name in WRITERS if name in asked.tools), None)
    if writer is not None and not long:
        return Call(tool=writer, arguments=_write_arguments(asked.tools[writer], asked.text, scenario))
    shell = next((name for name in SHELLS if name in asked.tools), None)
    if shell is None:
        return None
    command = SLEEPER if long else f"printf '{GREETING.strip()}\\n' > {_path(asked.text)}"
    return Call(tool=shell, arguments=_shell_arguments(asked.tools[shell], command, long=long))


def _errand(asked: Asked) -> Call | None:
    """Let a subagent do the work."""
    tool = next((name for name in DELEGATES if name in asked.tools), None)
    if tool is None:
        return None
    schema = asked.tools[tool]
    offered, required = schema.get("properties") or {}, _required(schema)
    told = {key: f"{ERRAND} Create the file {_path(asked.text)}." for key in ERRAND_KEYS if key in offered}
    kinds = {key: kind for key, kind in KINDS.items() if key in required}
    here = {"run_in_background": False} if "run_in_background" in offered else {}
    return Call(tool=tool, arguments=required | kinds | here | told)


def _awaited(asked: Asked) -> Call | None:
    """Wait for a subagent that works by itself, once."""
    found = re.search(SPAWNED, asked.text)
    if AWAIT not in asked.tools or found is None or asked.text.count(f'"{AWAIT}"') > 1:
        return None
    return Call(tool=AWAIT, arguments={"targets": [found[1]], "timeout_ms": 60_000})


def _in_background(asked: Asked) -> Call | None:
    """Write the file from a command in the background, after the model has said that it is done."""
    shell = next((name for name in SHELLS if name in asked.tools), None)
    if shell is None:
        return None
    command = f"sleep {BACKGROUND_S}; printf '{GREETING.strip()}\\n' > {_path(asked.text)}"
    schema = asked.tools[shell]
    ways = {key: way for key, way in IN_BACKGROUND.items() if key in (schema.get("properties") or {})}
    return Call(tool=shell, arguments=_shell_arguments(schema, command, long=False) | ways)


def _beside_others(asked: Asked) -> Call | None:
    """Write a file that no other session writes, in the tree that the session has."""
    command = f"printf '{GREETING.strip()}\\n' > hello-$PITBOSS_SESSION_SEQ.txt"
    if asked.code_mode:
        return Call(tool="exec", arguments={"input": _run(command)}, freeform=True)
    shell = next((name for name in SHELLS if name in asked.tools), None)
    if shell is None:
        return None
    return Call(tool=shell, arguments=_shell_arguments(asked.tools[shell], command, long=False))


def _write_arguments(schema: dict[str, Any], text: str, scenario: Scenario) -> dict[str, Any]:
    offered = schema.get("properties") or {}
    path = next((key for key in PATH_KEYS if key in offered), PATH_KEYS[0])
    content = next((key for key in TEXT_KEYS if key in offered), TEXT_KEYS[0])
    greeting = f"{len(text)}\n" if scenario in ENDLESS_WORK else GREETING
    return _required(schema) | {path: _path(text), content: greeting}


def _shell_arguments(schema: dict[str, Any], command: str, *, long: bool) -> dict[str, Any]:
    offered = schema.get("properties") or {}
    key = next((key for key in SHELL_KEYS if key in offered), SHELL_KEYS[0])
    is_list = (offered.get(key) or {}).get("type") == "array"
    patience = {name: span for name, span in PATIENCE.items() if long and name in offered}
    return _required(schema) | patience | {key: ["bash", "-lc", command] if is_list else command}


def _required(schema: dict[str, Any]) -> dict[str, Any]:
    """Something for every argument that a tool insists on."""
    plain = {"boolean": False, "number": 1, "integer": 1, "array": [], "object": {}}
    offered = schema.get("properties") or {}
    found = {}
    for name in schema.get("required") or []:
        about = offered.get(name) or {}
        choices = about.get("enum")
        found[name] = choices[0] if choices else plain.get(str(about.get("type")), "write hello.txt")
    return found


def _script(asked: Asked, *, long: bool) -> str:
    """The same in the JavaScript of Codex's newest models."""
    if long:
        return _run(SLEEPER)
    patch = msgspec.json.encode(_patch(asked.text)).decode()
    return f"const r = await tools.apply_patch({patch}); text(r);"


def _run(command: str) -> str:
    quoted = msgspec.json.encode(command).decode()
    return f"const r = await tools.exec_command({{cmd: {quoted}, yield_time_ms: 30000}}); text(r.output);"


def _patch(text: str) -> str:
    return f"*** Begin Patch\n*** Add File: {_path(text)}\n+{GREETING}*** End Patch\n"


def _path(text: str) -> str:
    """The path that the prompt names; tools that write want it absolute."""
    found = re.search(r"(/[A-Za-z0-9_./-]*/hello\.txt)", text)
    return "hello.txt" if found is None else found[1]


def _aider_edit(text: str) -> str:
    """An edit as aider's own instructions want it."""
    if "*SEARCH/REPLACE*" in text:
        edit = f"hello.txt\n```\n<<<<<<< SEARCH\n=======\n{GREETING}>>>>>>> REPLACE\n```"
    else:
        edit = f"hello.txt\n```\n{GREETING}```"
    return f"{edit}\n\n{LAST_WORD}"
