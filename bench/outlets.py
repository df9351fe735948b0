"""What it costs to watch a run: agents that say a thousand things a second, against agents that say nothing.

The agents imitate Claude Code and take equally long, and stderr is a pipe that nobody reads until the end. Any extra
time with the talkative ones is due to outlets and stream readers (SPEC 9).
"""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import interleave, median, say, time_child
from bench.repositories import SHARED, grind, make_repository

if TYPE_CHECKING:
    from pathlib import Path

    from bench.measure import Sample

BUDGET_STOP = 3
SLOTS = 16
SECONDS = 3
LONGER = 4
"""How many times longer the agents last in the run whose memory is measured."""

STEPS_A_SECOND = 1000
PAIRS = 9
LIMIT = 1.1
FLAT_LIMIT = 1.2

AGENT = """\
#!{python} -IS
import json, os, sys, time
steps, seconds = {steps}, {seconds}
usage = {{"input_tokens": 10, "output_tokens": 5}}
text = {{"type": "text", "text": "looking at the next file, whose name is long enough to be worth a line"}}
sys.stdin.read()
began, written = time.monotonic(), 0
while (now := time.monotonic() - began) < seconds:
    due = int(now * steps)
    for number in range(written, due):
        message = {{"id": f"msg_{{number}}", "model": "claude-sonnet-4-5", "content": [text], "usage": usage}}
        print(json.dumps({{"type": "assistant", "message": message, "session_id": "s"}}))
    written = due
    sys.stdout.flush()
    time.sleep(0.02)
open(f"by-session-{{os.environ['PITBOSS_SESSION_SEQ']}}", "w").write("done\\n")
print(json.dumps({{"type": "result", "subtype": "success", "is_error": False, "result": "done", "session_id": "s",
    "total_cost_usd": 0.01, "usage": usage}}))
"""
CONFIG = """\
[agent]
backend = "claude_code"

[agent.claude_code]
binary = "{binary}"
permission_mode = "acceptEdits"
"""


def measure(scratch: Path) -> list[Figure]:
    """The wall time of both runs in turn, and the peak memory of a short and a long talkative one."""
    say(f"{SLOTS} sessions of {SECONDS} s, {STEPS_A_SECOND} steps a second against none: {PAIRS} pairs")
    numbers = iter(range(10**6))

    def run(steps: int, seconds: int) -> Sample:
        return _grind(scratch / f"run-{next(numbers)}", steps, seconds)

    cases = {
        "talkative": lambda: run(STEPS_A_SECOND, SECONDS).seconds,
        "silent": lambda: run(0, SECONDS).seconds,
    }
    taken = interleave(cases, PAIRS)
    ratios = [
        talkative / silent for talkative, silent in zip(taken["talkative"], taken["silent"], strict=True)
    ]
    short, long = (run(STEPS_A_SECOND, seconds).peak_mb for seconds in (SECONDS, LONGER * SECONDS))
    name = f"{SLOTS} sessions, {STEPS_A_SECOND} steps a second each"
    return [
        Figure(f"{name}: {SECONDS} s of work", median(taken["talkative"]), "s"),
        Figure(f"{name}: with steps / without", median(ratios), "x", LIMIT),
        Figure(f"{name}: peak memory", short, "MB"),
        Figure(f"{name}: peak memory, {LONGER} times as long / as long", long / short, "x", FLAT_LIMIT),
    ]


def _grind(place: Path, steps: int, seconds: int) -> Sample:
    repository = make_repository(place, files=100, agent="", prompt=SHARED)
    binary = repository / ".pitboss" / "claude"
    binary.write_text(AGENT.format(python=sys.executable, steps=steps, seconds=seconds), encoding="utf-8")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    config = CONFIG.format(binary=binary)
    (repository / ".pitboss" / "config.toml").write_text(config, encoding="utf-8")
    options = ("--max-iterations", str(SLOTS), "--max-parallel", str(SLOTS))
    return time_child(grind(*options), repository, expect=BUDGET_STOP)
