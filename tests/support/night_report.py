"""A report on a night of any size, made of values: every kind of session, in three slots."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pitboss.core.budget import Caps
from pitboss.core.condition import Condition
from pitboss.core.events import Phase
from pitboss.core.measures import stamp
from pitboss.core.needs import Need, NeedKind
from pitboss.core.report.morning import MorningReport, RunFacts, morning_report
from pitboss.core.report.sessions import Known
from pitboss.core.session import SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.core.timeline import Stretch, Track
from pitboss.core.touched import Fate, TouchedFile
from tests.support.values import STARTED, record, run_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.session import SessionRecord

SLOTS = 3
PROMPTS = ("fix-flaky-tests", "docs", "types", "refactor-the-parser")
_KINDS: tuple[Mapping[str, Any], ...] = (
    {},
    {},
    {"status": SessionStatus.ERROR, "commit": None, "reason": "verify_failed: test_sums", "rescue": ("ref",)},
    {},
    {"status": SessionStatus.TIMEOUT, "commit": None, "reason": "stalled: no output for 600 s"},
    {"commit": None},
    {"cost_known": False},
    {"status": SessionStatus.SKIPPED, "commit": None},
    {"status": SessionStatus.DIRTY, "reason": "head_moved: elsewhere"},
)
_FILES = ("src/a.py", "tests/test_a.py", "package.json", "src/b.py", ".github/workflows/ci.yml")


def night_facts(sessions: int, **changes: Any) -> RunFacts:
    """The facts of a run with so many sessions; `changes` are to each of its records."""
    records = tuple(_record(seq, changes) for seq in range(1, sessions + 1))
    state = run_state(
        status=RunStatus.ABORTED,
        stop_reason=f"max-iterations reached: {sessions} >= {sessions}",
        caps=Caps(max_cost_usd=sessions * 0.45),
    )
    return RunFacts(
        run_id="rid",
        condition=Condition.ABORTED,
        state=state,
        records=records,
        needs=tuple(_need(each) for each in records if each.rescue)[:5],
        known=Known(
            touched={each.seq: _touched(each.seq) for each in records if each.commit},
            tracks={each.seq: _track(each) for each in records},
        ),
    )


def night_report(sessions: int, **changes: Any) -> MorningReport:
    """The report on such a run."""
    facts = night_facts(sessions, **changes)
    ended = max((each.ended_at for each in facts.records), default=STARTED)
    return morning_report([facts], ended + timedelta(minutes=5), stamp)


def _record(seq: int, changes: Mapping[str, Any]) -> SessionRecord:
    began = STARTED + timedelta(minutes=4 * (seq // SLOTS), seconds=7 * seq % 60)
    kind = dict(_KINDS[(seq * 7) % len(_KINDS)])
    if "rescue" in kind:
        kind["rescue"] = (f"refs/pitboss/rescue/rid/session-{seq:04}",)
    known = {
        "tokens": (20_000 + seq * 311 % 90_000, 900 + seq * 17 % 4000),
        "cost_usd": 0.0 if "cost_known" in kind else round(0.05 + seq * 13 % 70 / 100, 4),
        "agent": ("claude-code", "codex")[seq % 2],
        "model": "opus",
        "started_at": began,
        "ended_at": began + timedelta(seconds=20 + (seq * seq * 37) % 190),
        "summary": f"Adds the missing case number {seq}, and a test that failed without it.",
    }
    return record(seq, **{"prompt": PROMPTS[seq % len(PROMPTS)], **known, **kind, **changes})


def _track(each: SessionRecord) -> Track:
    began, took = each.started_at, each.ended_at - each.started_at
    tests, lands = began + took * 0.6, began + took * 0.9
    return Track(
        seq=each.seq,
        began=began,
        slot=f"worktrees/slot-{each.seq % SLOTS + 1}",
        stretches=(
            Stretch(phase=Phase.WAIT, began=began, ended=began + took * 0.1),
            Stretch(phase=Phase.AGENT, began=began + took * 0.1, ended=tests),
            Stretch(phase=Phase.VERIFY, began=tests, ended=lands),
            Stretch(phase=Phase.LAND, began=lands, ended=each.ended_at),
        ),
    )


def _touched(seq: int) -> tuple[TouchedFile, ...]:
    paths = [path for place, path in enumerate(_FILES) if (seq >> place) & 1] or ["src/c.py"]
    fate = Fate.DELETED if seq % 11 == 0 else Fate.CHANGED
    return tuple(TouchedFile(path=path, fate=fate, added=seq % 90, removed=seq % 31) for path in paths)


def _need(each: SessionRecord) -> Need:
    what = f"session {each.seq} ({each.prompt}) did not pass the tests"
    command = f"pitboss show rid {each.seq} --verify"
    return Need(kind=NeedKind.VERIFY, what=what, why="test_sums", command=command, seq=each.seq)
