"""A run's state and `fold`, the only code that advances it by a record (SPEC 4, 7; the seed)."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import by_seq
from pitboss.core.barren import streaks_after
from pitboss.core.budget import BudgetSnapshot, Caps, PromptSpend
from pitboss.core.quota import Quota
from pitboss.core.scheduler import SchedulerState
from pitboss.core.selection import Selection
from pitboss.core.session import InFlight, Outcome, SessionRecord, SessionStatus
from pitboss.core.stops import RunStatus
from pitboss.core.usage import add_tokens, add_usd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded session that conflicted with what had landed in the meantime: its prompt gets one more turn."""

    seq: int
    prompt: str


class WaitingTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task that waits in the queue: all that choosing the next session needs of it."""

    id: str
    prompt: str
    parallel_safe: bool = False


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """state.json: the fold of records 1..last_session_seq, and what is in flight (SPEC 7).

    `caps` are the run's own, `selection` is what its command lines chose; both are None if the program that wrote the
    file does not keep them. `quota` is each agent's last report on its subscription, `conflicts` are the sessions
    whose one retry has no record yet, `spend_per_prompt` is the cost of each prompt's sessions, `unknown_costs` counts
    those of unknown cost (None: never counted). `barren_per_prompt` is how many sessions of each prompt in a row have
    landed nothing (None: never counted), `max_barren` each prompt's limit for that, as the run last read it.
    `in_flight`, in the order of their numbers, also holds a session that is already in the log while one before it is
    not: until that gap closes, no sum includes it, and its record is in `early`, by seq. `unrescued` are sessions with
    a record whose work git could not rescue: it is still where they left it. While the run lives, `paused` says that it
    starts no new session. `unknown` holds fields of state.json that this version does not know, written back as found.
    `original_branch` is where the run began, `return_to` what was checked out when it was started or resumed: a branch,
    or a full commit id.
    `queue` are the tasks that wait, oldest first. Neither `queue` nor `early` is in state.json: tasks have files of
    their own, and records are in the log.
    """

    run_id: str
    branch: str
    plan_name: str
    prompt_names: tuple[str, ...]
    scheduler_state: SchedulerState
    budget_consumed: BudgetSnapshot
    last_session_seq: int
    started_at: datetime
    last_updated_at: datetime
    status: RunStatus
    stop_reason: str | None = None
    base_commit: str | None = None
    original_branch: str | None = None
    return_to: str | None = None
    in_flight: tuple[InFlight, ...] = ()
    unrescued: tuple[InFlight, ...] = ()
    conflicts: tuple[Retry, ...] = ()
    spend_per_prompt: dict[str, PromptSpend] = {}
    quota: dict[str, Quota] = {}
    unknown_costs: int | None = None
    barren_per_prompt: dict[str, int] | None = None
    max_barren: dict[str, int] = {}
    caps: Caps | None = None
    paused: bool = False
    selection: Selection | None = None
    unknown: dict[str, object] = {}
    queue: tuple[WaitingTask, ...] = ()
    early: tuple[SessionRecord, ...] = ()

    @property
    def cost_known(self) -> bool:
        """Whether the sum of costs is complete.

        A file written by a program that does not count unknown costs is taken as complete unless it shows otherwise;
        `counted` finds out.
        """
        if self.unknown_costs is not None:
            return self.unknown_costs == 0
        used = self.budget_consumed
        if self.spend_per_prompt:
            return sum(spent.sessions for spent in self.spend_per_prompt.values()) >= used.iterations
        return used.tokens == 0 or used.cost_usd > 0

    @property
    def latest_seq(self) -> int:
        """The number of the latest session, in flight or not."""
        return max(self.last_session_seq, self.in_flight[-1].seq if self.in_flight else 0)


def build_state(  # noqa: PLR0913 - the seed's signature
    *,
    run_id: str,
    branch: str,
    plan_name: str,
    prompt_names: tuple[str, ...],
    now: datetime,
    base_commit: str | None = None,
    original_branch: str | None = None,
    caps: Caps | None = None,
    selection: Selection | None = None,
    return_to: str | None = None,
) -> RunState:
    """The state of a run that has just begun."""
    return RunState(
        run_id=run_id,
        branch=branch,
        plan_name=plan_name,
        prompt_names=prompt_names,
        scheduler_state=SchedulerState(),
        budget_consumed=BudgetSnapshot(),
        last_session_seq=0,
        started_at=now,
        last_updated_at=now,
        status=RunStatus.ACTIVE,
        unknown_costs=0,
        barren_per_prompt={},
        base_commit=base_commit,
        original_branch=original_branch,
        caps=caps,
        selection=selection,
        return_to=return_to,
    )


def fold(run: RunState, record: SessionRecord, scheduler: SchedulerState | None = None) -> RunState:
    """Advance `run` by its next record: the only code that moves counters, spend and streak.

    `scheduler` is the scheduler after this dispatch, if the caller had to re-run it (records written by
    another program carry no `rotation`); without it the record's own rotation is trusted. A retry
    leaves the scheduler alone: it takes the turn of the session that ended in conflict. So does a queued task.
    The session leaves `in_flight`. Raises ValueError when `record` is not the next one.
    """
    if record.seq != run.last_session_seq + 1:
        raise ValueError(f"record {record.seq} cannot follow record {run.last_session_seq}")
    return msgspec.structs.replace(
        run,
        scheduler_state=scheduler or _dispatched(run.scheduler_state, record),
        budget_consumed=spend(run.budget_consumed, record),
        last_session_seq=record.seq,
        last_updated_at=max(run.last_updated_at, record.ended_at),
        in_flight=by_seq.without(run.in_flight, record.seq),
        conflicts=_conflicts(run.conflicts, record),
        spend_per_prompt=charge(run.spend_per_prompt, record),
        unknown_costs=_unknown_costs(run, record),
        barren_per_prompt=_barren_per_prompt(run, record),
    )


def unfolded(run: RunState) -> RunState:
    """`run` before its first record: everything that `fold` advances is reset; the rest stays."""
    return msgspec.structs.replace(
        run,
        scheduler_state=SchedulerState(),
        budget_consumed=BudgetSnapshot(),
        last_session_seq=0,
        conflicts=(),
        spend_per_prompt={},
        unknown_costs=0,
        barren_per_prompt={},
    )


def counted(run: RunState, records: "Iterable[SessionRecord]") -> RunState:
    """`run` with what the program that wrote it did not count: the costs of its sessions, which ones landed nothing.

    `records` is its log, which may go past its checkpoint; it is read only if something was not counted.
    """
    if run.unknown_costs is not None and run.barren_per_prompt is not None:
        return run
    folded = sorted((r for r in records if r.seq <= run.last_session_seq), key=lambda r: r.seq)
    spent, unknown, barren = dict[str, PromptSpend](), 0, dict[str, int]()
    for record in folded:
        spent = charge(spent, record)
        unknown += not record.cost_known
        barren = streaks_after(barren, record)
    if run.unknown_costs is None:
        run = msgspec.structs.replace(run, spend_per_prompt=spent, unknown_costs=unknown)
    if run.barren_per_prompt is None:
        run = msgspec.structs.replace(run, barren_per_prompt=barren)
    return run


def spend(used: BudgetSnapshot, record: SessionRecord) -> BudgetSnapshot:
    """What is used up after one more record. Order matters: the streak of failures follows it."""
    return BudgetSnapshot(
        iterations=used.iterations + 1,
        tokens_input=add_tokens(used.tokens_input, record.tokens.input),
        tokens_output=add_tokens(used.tokens_output, record.tokens.output),
        cost_usd=add_usd(used.cost_usd, record.cost_usd),
        consecutive_failures=_streak(used.consecutive_failures, record),
    )


def spend_outcomes(used: BudgetSnapshot, outcomes: "Collection[Outcome]") -> BudgetSnapshot:
    """What is used up with sessions that have yet to be recorded: their tokens and their cost."""
    return msgspec.structs.replace(
        used,
        tokens_input=add_tokens(used.tokens_input, sum(each.tokens.input for each in outcomes)),
        tokens_output=add_tokens(used.tokens_output, sum(each.tokens.output for each in outcomes)),
        cost_usd=add_usd(used.cost_usd, sum(each.cost_usd for each in outcomes)),
    )


def _dispatched(state: SchedulerState, record: SessionRecord) -> SchedulerState:
    if record.is_no_turn:
        return state
    runs = dict(state.runs_per_prompt)
    runs[record.prompt] = runs.get(record.prompt, 0) + 1
    rotation = state.rotation + 1 if record.rotation is None else record.rotation
    return SchedulerState(rotation=rotation, runs_per_prompt=runs)


def _conflicts(conflicts: tuple[Retry, ...], record: SessionRecord) -> tuple[Retry, ...]:
    if record.awaits_retry:
        return (*conflicts, Retry(seq=record.seq, prompt=record.prompt))
    return tuple(c for c in conflicts if c.seq != record.retry_of)


def charge(spent: dict[str, PromptSpend], record: SessionRecord) -> dict[str, PromptSpend]:
    """What each prompt has cost after one more record."""
    group = record.cost_group
    before = spent.get(group, PromptSpend())
    if not record.cost_known:
        return {**spent, group: before}
    cost_usd = add_usd(before.cost_usd, record.cost_usd)
    return {**spent, group: PromptSpend(sessions=before.sessions + 1, cost_usd=cost_usd)}


def _unknown_costs(run: RunState, record: SessionRecord) -> int | None:
    before = 0 if run.last_session_seq == 0 else run.unknown_costs
    return None if before is None else before + (not record.cost_known)


def _barren_per_prompt(run: RunState, record: SessionRecord) -> dict[str, int] | None:
    before = {} if run.last_session_seq == 0 else run.barren_per_prompt
    return None if before is None else streaks_after(before, record)


def _streak(failures: int, record: SessionRecord) -> int:
    """Failures in a row; an outage is not a failure."""
    if record.is_outage or record.status in (SessionStatus.ABORTED, SessionStatus.SKIPPED):
        return failures
    return failures + 1 if record.status.failed else 0
