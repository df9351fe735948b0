"""Values of the core for tests: the seed's fixture run, and short ways to say what a test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st

from pitboss.core.budget import BudgetSnapshot
from pitboss.core.prompt import PromptDoc, PromptMeta, PromptSource
from pitboss.core.run import RunState
from pitboss.core.scheduler import SchedulerState
from pitboss.core.session import (
    Assignment,
    InFlight,
    SessionRecord,
    SessionStatus,
    TokenUsage,
    transcript_name,
)
from pitboss.core.stops import RunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN_ID = "rid"
BRANCH = f"pitboss/grind/{RUN_ID}"
STARTED = datetime(2026, 4, 30, 17, 0, tzinfo=UTC)

usd = st.integers(0, 10_000_000).map(lambda micro: micro / 1_000_000)


def run_state(**changes: Any) -> RunState:
    """The seed's `fixture_state`: three sessions recorded, alpha twice and bravo once."""
    state = RunState(
        run_id=RUN_ID,
        branch=BRANCH,
        plan_name="default",
        prompt_names=("alpha", "bravo"),
        scheduler_state=SchedulerState(rotation=3, runs_per_prompt={"alpha": 2, "bravo": 1}),
        budget_consumed=BudgetSnapshot(iterations=3, tokens_input=1500, tokens_output=750, cost_usd=0.045),
        last_session_seq=3,
        started_at=STARTED,
        last_updated_at=STARTED + timedelta(minutes=30),
        status=RunStatus.ACTIVE,
    )
    return msgspec.structs.replace(state, **changes)


def fresh_run(**changes: Any) -> RunState:
    """A run that has recorded nothing yet."""
    nothing = {
        "scheduler_state": SchedulerState(),
        "budget_consumed": BudgetSnapshot(),
        "last_session_seq": 0,
        "unknown_costs": 0,
        "barren_per_prompt": {},
    }
    return run_state(**(nothing | changes))


def record(
    seq: int,
    prompt: str = "alpha",
    status: SessionStatus = SessionStatus.OK,
    *,
    tokens: tuple[int, int] = (0, 0),
    cost_usd: float = 0.0,
    **changes: Any,
) -> SessionRecord:
    """The seed's `fixture_session_record_named`: one line of the log."""
    line = SessionRecord(
        seq=seq,
        run_id=RUN_ID,
        prompt=prompt,
        started_at=STARTED + timedelta(hours=1),
        ended_at=STARTED + timedelta(hours=1, minutes=1),
        status=status,
        summary=f"session {seq}",
        commit=f"abc{seq:040}",
        tokens=TokenUsage(input=tokens[0], output=tokens[1]),
        cost_usd=cost_usd,
        transcript_path=transcript_name(seq),
    )
    return msgspec.structs.replace(line, **changes)


def flying(seq: int, **changes: Any) -> InFlight:
    """A session in flight; `changes` are fields of its assignment or its progress."""
    decided = {name: changes.pop(name) for name in Assignment.__struct_fields__ if name in changes}
    session = InFlight.begin(assigned(seq, **decided))
    return msgspec.structs.replace(session, progress=msgspec.structs.replace(session.progress, **changes))


def assigned(seq: int, **changes: Any) -> Assignment:
    """What dispatch decided for a session."""
    decided = Assignment(seq=seq, prompt="alpha", rotation=seq, started_at=STARTED, base_commit="b" * 40)
    return msgspec.structs.replace(decided, **changes)


def aligned(records: Sequence[SessionRecord], **changes: Any) -> RunState:
    """The seed's `fixture_state_aligned_with_log`: a checkpoint that describes exactly `records`."""
    runs: dict[str, int] = {}
    for line in records:
        runs[line.prompt] = runs.get(line.prompt, 0) + 1
    state = run_state(
        last_session_seq=max((r.seq for r in records), default=0),
        scheduler_state=SchedulerState(rotation=len(records), runs_per_prompt=runs),
    )
    return msgspec.structs.replace(state, **changes)


def prompt(name: str, **meta: Any) -> PromptDoc:
    """The seed's `fixture_prompt`."""
    return PromptDoc(
        meta=PromptMeta(name=name, description=f"desc for {name}", **meta),
        body=f"body for {name}",
        source_path=f"/fixture/{name}.md",
        source_kind=PromptSource.PROJECT,
    )
