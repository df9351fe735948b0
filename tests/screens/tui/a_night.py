"""A night on disk for the screens: a live run with everything in it, at fixed times; and what a screen shows of it."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import (
    Phase,
    PhaseChanged,
    PromptFacts,
    QuotaSeen,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Step,
    StepKind,
)
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.redact import Secrets
from pitboss.core.run import RunState
from pitboss.core.scheduler import SchedulerState
from pitboss.core.session import SessionRecord, SessionStatus, TokenUsage, transcript_name
from pitboss.core.stops import RunStatus
from pitboss.core.usage import RoleTokens
from pitboss.screens.desk import Changes, FileChange, RescuedWork
from pitboss.screens.scripted_desk import DeskScript, ScriptedDesk
from pitboss.screens.tui.app import WatchApp
from pitboss.store.event_log import EventLog
from pitboss.store.lock import RunLock
from pitboss.store.paths import RunPaths, lock_path, queue_dir
from pitboss.store.rundir import RunDir
from tests.support.values import flying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App

    from pitboss.core.events import RunEvent

RUN_ID = "20260430T210000Z-beef"
BEGAN = datetime(2026, 4, 30, 21, 0, tzinfo=UTC)
NOW = BEGAN + timedelta(hours=4, minutes=30)
EVIL = "\x1b]0;owned\x07[red]bold[/] \u202etxt.exe"
SNAPSHOTS = Path(__file__).parent / "snapshots"
CAPS = Caps(max_iterations=40, max_cost_usd=20.0, until=BEGAN + timedelta(hours=8))
REF = f"refs/pitboss/rescue/{RUN_ID}/session-0003"
DIFF = (
    "diff --git a/src/parse.py b/src/parse.py",
    "index 1111111..2222222 100644",
    "--- a/src/parse.py",
    "+++ b/src/parse.py",
    "@@ -1,2 +1,3 @@",
    " def parse(text):",
    "-    return text",
    "+    # [red] is no markup here",
    "+    return text.strip()",
)


def at(minutes: float) -> datetime:
    """So many minutes into the night."""
    return BEGAN + timedelta(minutes=minutes)


def ended(
    seq: int, prompt: str, status: SessionStatus, began: float, took: float, **changes: object
) -> SessionRecord:
    """A session of that night."""
    landed = status in (SessionStatus.OK, SessionStatus.DIRTY)
    told: dict[str, object] = {
        "tokens": TokenUsage(input=40_000 * seq, output=2_500 * seq),
        "cost_usd": 0.31 * seq,
        "agent": "claude_code",
        "model": "opus",
        "commit": f"{seq:040x}" if landed else None,
        "cost_source": "agent",
    }
    return SessionRecord(
        seq=seq,
        run_id=RUN_ID,
        prompt=prompt,
        started_at=at(began),
        ended_at=at(began + took),
        status=status,
        transcript_path=transcript_name(seq),
        **(told | changes),  # type: ignore[arg-type]
    )


RECORDS = (
    ended(1, "add-tests", SessionStatus.OK, 0, 22, summary="Tested the parser's edge cases, and mended two."),
    ended(2, "tidy", SessionStatus.OK, 1, 11, summary=f"Tidied {EVIL}", rescue=()),
    ended(
        *(3, "add-tests", SessionStatus.ERROR, 25, 40),
        summary="Tested the lexer.",
        reason="verify_failed: test_lexer.py::test_nested",
        rescue=(REF,),
    ),
    ended(4, "tidy", SessionStatus.TIMEOUT, 30, 30, reason="wall_clock: 30 minutes", cost_known=False),
    ended(
        5,
        "changelog",
        SessionStatus.DIRTY,
        70,
        9,
        summary="Listed what has landed.",
        attempts=2,
        waited_s=240.0,
    ),
    ended(6, "add-tests", SessionStatus.OK, 85, 31, summary="日本語 names parse too."),
)
DIFFS = {1: DiffStat(files=4, added=212, removed=9), 2: DiffStat(files=1, added=3, removed=14)}
PROMPTS = (
    PromptFacts(name="add-tests", weight=2),
    PromptFacts(name="tidy", max_runs=9),
    PromptFacts(name="changelog", every=4),
)
SLOT = "worktrees/slot-1"


def events() -> Iterator[RunEvent]:
    """What the run has said so far."""
    yield RunStarted(
        t=BEGAN, run_id=RUN_ID, branch=f"pitboss/grind/{RUN_ID}", rotation="night", caps=CAPS, prompts=PROMPTS
    )
    for record in RECORDS:
        slot = None if record.seq % 2 else SLOT
        yield SessionStarted(t=record.started_at, seq=record.seq, prompt=record.prompt, slot=slot)
        yield PhaseChanged(t=record.started_at, seq=record.seq, phase=Phase.AGENT)
        if record.waited_s:
            waits = record.started_at + timedelta(minutes=2)
            yield PhaseChanged(t=waits, seq=record.seq, phase=Phase.WAIT, detail="overloaded")
            yield PhaseChanged(t=waits + timedelta(minutes=4), seq=record.seq, phase=Phase.AGENT, attempt=2)
        verify = record.ended_at - timedelta(minutes=5)
        yield PhaseChanged(t=verify, seq=record.seq, phase=Phase.VERIFY, detail="pytest")
        yield SessionEnded(t=record.ended_at, record=record, diff=DIFFS.get(record.seq), next_pick="tidy")
    yield QuotaSeen(
        t=at(200),
        agent="claude_code",
        five_hour=QuotaWindow(used=0.86, resets_at=at(330).timestamp()),
        seven_day=QuotaWindow(used=0.12, resets_at=at(6000).timestamp()),
    )
    for seq, prompt, slot in (
        (7, "add-tests", None),
        (8, "tidy", SLOT),
        (9, "changelog", "worktrees/slot-2"),
    ):
        yield SessionStarted(
            t=at(240 + seq),
            seq=seq,
            prompt=prompt,
            agent="claude_code",
            model="opus",
            slot=slot,
            next_pick="tidy",
        )
    yield PhaseChanged(t=at(247), seq=7, phase=Phase.AGENT)
    used = RoleTokens(input=81_000, output=4_200)
    words = f"Bash: pytest -x {EVIL}"
    yield Step(
        t=NOW - timedelta(seconds=4), seq=7, what=StepKind.TOOL, text=words, tokens=used, cost_usd=0.42
    )
    yield PhaseChanged(t=at(260), seq=8, phase=Phase.WAIT, detail="claude_code's usage limit", until=at(330))
    yield PhaseChanged(t=at(268), seq=9, phase=Phase.VERIFY, detail="pytest")


def state(**changes: object) -> RunState:
    """The run's checkpoint."""
    told: dict[str, object] = {
        "run_id": RUN_ID,
        "branch": f"pitboss/grind/{RUN_ID}",
        "original_branch": "main",
        "plan_name": "night",
        "prompt_names": ("add-tests", "changelog", "tidy"),
        "scheduler_state": SchedulerState(
            rotation=6, runs_per_prompt={"add-tests": 3, "tidy": 2, "changelog": 1}
        ),
        "status": RunStatus.ACTIVE,
        "caps": CAPS,
        "started_at": BEGAN,
        "last_updated_at": at(260),
        "last_session_seq": 6,
        "budget_consumed": BudgetSnapshot(
            iterations=6, tokens_input=840_000, tokens_output=52_500, cost_usd=6.51
        ),
        "quota": {"claude_code": Quota()},
        "in_flight": tuple(flying(seq, prompt=prompt, started_at=at(240 + seq)) for seq, prompt in FLYING),
    }
    return RunState(**(told | changes))  # type: ignore[arg-type]


FLYING = ((7, "add-tests"), (8, "tidy"), (9, "changelog"))


def make_run(repo: Path) -> RunPaths:
    """Write the whole night into a folder that looks like a repository."""
    (repo / ".git").mkdir(parents=True)
    with RunDir.create(repo, state()) as run:
        log = EventLog(run.paths, Secrets(()), started=True)
        for event in events():
            log(event)
        for record in RECORDS:
            run.record(record)
        run.checkpoint(state())
        paths = run.paths
    paths.scratchpad.write_text("## session-0001 add-tests\nThe lexer is slow.\n", encoding="utf-8")
    paths.transcript(7).write_text(f"I will look at the lexer.\n▸ Bash: ls {EVIL}\n", encoding="utf-8")
    paths.transcript(3).write_text("Wrote a test.\n", encoding="utf-8")
    paths.transcript(6).write_text("Names of any script.\n", encoding="utf-8")
    paths.transcript(3, "verify").write_text("FAILED test_lexer.py::test_nested\n", encoding="utf-8")
    queue_dir(repo).mkdir(parents=True)
    task = queue_dir(repo) / "20260501T012500Z-0001.md"
    task.write_text("Mend the flaky test of the [red]lexer[/].\n", encoding="utf-8")
    os.utime(task, (at(265).timestamp(),) * 2)
    return paths


@contextmanager
def live(repo: Path) -> Iterator[None]:
    """The run's lock is held, so it counts as live."""
    with RunLock.acquire(lock_path(repo), run_id=RUN_ID):
        yield


def desk() -> ScriptedDesk:
    """A desk that knows the diffs of that night."""
    change = Changes(files=(FileChange(path="src/parse.py", added=2, removed=1, lines=DIFF),))
    rescued = RescuedWork(ref=REF, name=f"{RUN_ID}/session-0003", seq=3, made_at=at(65), why="verify failed")
    return ScriptedDesk(
        DeskScript(changes={1: change, 3: change}, rescued=(rescued,), rescued_changes={REF: change})
    )


def watching(repo: Path, run_id: str | None = RUN_ID) -> WatchApp:
    """The TUI at half past one that night."""
    return WatchApp(repo, run_id, desk(), now=lambda: NOW)


def shown(app: App[None]) -> str:
    """The text on the screen, line by line."""
    return "\n".join(line.text.rstrip() for line in app.screen._compositor.render_strips()) + "\n"


def judge(name: str, app: WatchApp) -> None:
    """Compare what is on the screen with its snapshot; PITBOSS_SNAPSHOTS=write replaces that."""
    file, seen = SNAPSHOTS / f"{name}.txt", re.sub(r"parsing /.*", "parsing PATH", shown(app))
    if os.environ.get("PITBOSS_SNAPSHOTS") == "write":
        SNAPSHOTS.mkdir(exist_ok=True)
        file.write_text(seen, encoding="utf-8")
    assert seen == file.read_text(encoding="utf-8")


def fresh() -> RunState:
    """The run before its first session."""
    return state(last_session_seq=0, budget_consumed=BudgetSnapshot(), in_flight=(), quota={})
