"""Captures of what real CLIs printed, replayed by a small program under the real driver."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import Resume
from pitboss.core.config import AgentSettings
from pitboss.core.quota import Quota
from pitboss.core.session import SessionStatus
from pitboss.core.usage import CostSource
from tests.support.agents import executable

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome
    from pitboss.core.usage import Usage

CAPTURES = Path(__file__).parent.parent / "fixtures" / "agents"


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a capture must come to, written down by hand.

    `tokens` are input (with cached), output (with reasoning), cache read and cache write. `reason` and `text`
    are how the outcome's begin. `cost_usd` None: it is not known. `resume` is what the request goes on with.
    `resets_at_time` is the time of day, `17:56 UTC` or this machine's `17:56`, of a limit of which no more is told.
    """

    status: SessionStatus = SessionStatus.OK
    reason: str | None = None
    tokens: tuple[int, int, int, int] = (0, 0, 0, 0)
    cost_usd: float | None = 0.0
    cost_source: CostSource = CostSource.AGENT
    model: str | None = None
    text: str | None = None
    session_id: str | None = None
    tool_calls: int = 0
    resets_at: float | None = None
    resets_at_time: str | None = None
    quota: Quota | None = None
    resume: Resume | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """How one backend is judged: `TABLE` of `tests/contracts/expected_NAME.py`.

    `captures` is its folder below tests/fixtures/agents, None for a program of the user's own; `expected` has
    every capture in it. `asks_model` is the model that requests name, None for none. `beside` is a line of
    shell that writes what the CLI leaves beside its output: it sees the program's arguments as `$@` and the
    capture's folder as `$CAPTURE`. `farewell` is a line of shell that prints (and leaves) what an agent that
    used nothing does at its end. `dress` makes settings of its own for an agent that does a script, where a
    program that runs it and says farewell will not do. `verbatim` false: what such an agent prints is told
    in its backend's own words. `replay` is a line of shell that converses as the capture's CLI did, where printing
    its output will not do.
    """

    captures: str | None = None
    expected: dict[str, Expected] = {}
    asks_model: str | None = None
    beside: str = ""
    farewell: str = ""
    dress: Callable[[Path, str], AgentSettings] | None = None
    verbatim: bool = True
    replay: str = ""

    def capture(self, name: str) -> Capture:
        """The capture called `name`."""
        return Capture(CAPTURES / str(self.captures) / name)


class Capture:
    """What one run of a CLI printed, and how it exited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stdout = (folder / "stdout").read_bytes()
        self.stderr = (folder / "stderr").read_bytes()
        self.code: int = json.loads((folder / "meta.json").read_text())["exit_code"]


def table_of(backend: str) -> Table:
    """The table that judges `backend`; ModuleNotFoundError when nobody wrote one."""
    table: Table = import_module(f"tests.contracts.expected_{backend}").TABLE
    return table


def replaying(
    program: Path, table: Table, name: str, *, stdout: bytes | None = None, then: str = ""
) -> AgentSettings:
    """Settings for an agent at `program` that prints the capture `name` and ends as it did.

    `stdout` is printed instead of the capture's; `then` is shell that ends it in another way.
    """
    capture = table.capture(name)
    out = capture.folder / "stdout"
    if stdout is not None:
        out = program.with_suffix(".stdout")
        out.write_bytes(stdout)
    ending = f"exit {capture.code}" if capture.code >= 0 else f"kill {capture.code} $$"
    printed = ["cat > prompt.txt", f"cat {shlex.quote(str(out))}; cat $CAPTURE/stderr >&2"]
    script = [
        f"CAPTURE={shlex.quote(str(capture.folder))}",
        *([table.replay] if table.replay else printed),
        table.beside or ":",
        then or ending,
    ]
    return AgentSettings(binary=str(executable(program, "\n".join(script))))


def scripted(backend: str, folder: Path, script: str) -> AgentSettings:
    """Settings that make an agent of `backend` do `script`, then say farewell unless it execs or is killed."""
    table = table_of(backend)
    if table.dress is not None:
        return table.dress(folder, script)
    body = f"farewell() {{ {table.farewell or ':'}\n}}\ntrap 'farewell \"$@\"' EXIT\n{script}"
    return AgentSettings(binary=str(executable(folder / backend, body)))


def tokens(used: Usage) -> tuple[int, int, int, int]:
    """The counts of a usage, as a table has them."""
    return used.input, used.output, used.cache_read, used.cache_write


def seen(outcome: AgentOutcome, expected: Expected) -> Expected:
    """`outcome` as a table would have it; where it begins as `expected`, the words of that."""
    usage = outcome.usage
    return Expected(
        status=outcome.status,
        reason=_beginning(outcome.reason, expected.reason),
        tokens=tokens(usage),
        cost_usd=_near(usage.cost_usd, expected.cost_usd) if usage.cost_known else None,
        cost_source=outcome.usage.cost_source,
        model=outcome.model,
        text=_beginning(outcome.text, expected.text),
        session_id=outcome.session_id,
        tool_calls=outcome.tool_calls,
        resets_at=None if expected.resets_at_time else outcome.resets_at,
        resets_at_time=_time_of_day(outcome.resets_at, expected.resets_at_time),
        quota=outcome.quota,
        resume=expected.resume,
    )


def _time_of_day(moment: float | None, expected: str | None) -> str | None:
    if moment is None or expected is None:
        return None
    zone = UTC if expected.endswith(" UTC") else None
    return f"{datetime.fromtimestamp(moment, zone):%H:%M %Z}".strip()


def _beginning(whole: str | None, expected: str | None) -> str | None:
    return expected if whole and expected and whole.startswith(expected) else whole


def _near(cost: float, expected: float | None) -> float:
    return expected if expected is not None and abs(cost - expected) < 1e-9 else cost
