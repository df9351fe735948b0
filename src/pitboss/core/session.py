"""One session as values: assignment, progress, outcome, landing, record (SPEC 6, 7)."""

from datetime import datetime
from enum import StrEnum

import msgspec

from pitboss.core.usage import CostSource, RoleTokens, Usage, add_tokens, add_usd

IMPLEMENTER = "implementer"
FIXER = "fixer"
NO_SUMMARY = "(no summary provided)"
QUEUED_TASKS = "(queued)"
"""What all queued tasks go by where costs are summed up; no prompt can have that name."""


class SessionStatus(StrEnum):
    """How a session ended, as the log writes it."""

    OK = "ok"
    DIRTY = "dirty"
    ERROR = "error"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    SKIPPED = "skipped"

    @property
    def failed(self) -> bool:
        """Whether it counts towards the failures in a row and exit code 1."""
        return self in (SessionStatus.ERROR, SessionStatus.TIMEOUT)


class Reason(StrEnum):
    """Why a session is not ok (SPEC 6); on disk a colon and detail may follow."""

    EXIT_CODE = "exit_code"
    AGENT_ERROR = "agent_error"
    COST_CAP = "cost_cap"
    VERIFY_FAILED = "verify_failed"
    COMMIT_REFUSED = "commit_refused"
    CONFLICT = "conflict"
    HEAD_MOVED = "head_moved"
    HISTORY_REWRITTEN = "history_rewritten"
    WALL_CLOCK = "wall_clock"
    STALLED = "stalled"
    SKIPPED = "skipped"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"
    HOOK_FAILED = "hook_failed"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    AUTH = "auth"
    BILLING = "billing"
    CONTEXT_TOO_LONG = "context_too_long"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    SPAWN_FAILED = "spawn_failed"
    GIT_FAILED = "git_failed"

    def because(self, detail: str | None) -> str:
        """The reason as the log writes it: the word alone, or `word: detail` on one line."""
        return f"{self}: {' '.join(detail.split())}" if detail and detail.strip() else str(self)


def reason_kind(reason: str | None) -> Reason | None:
    """The Reason that `reason` begins with; None when it is not one of ours."""
    word = (reason or "").partition(":")[0]
    return Reason(word) if word in list(Reason) else None


class Verdict(msgspec.Struct, frozen=True):
    """How a session ends, and why if it is not ok."""

    status: SessionStatus
    reason: str | None = None


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The log's `tokens`: totals, and the same split by role."""

    input: int = 0
    output: int = 0
    by_role: dict[str, RoleTokens] = {}

    def add(self, role: str, usage: Usage) -> "TokenUsage":
        """These tokens plus what `role` used; a role that used none is left out."""
        if not usage.has_tokens:
            return self
        had = self.by_role.get(role, RoleTokens())
        now = RoleTokens(
            input=add_tokens(had.input, usage.input), output=add_tokens(had.output, usage.output)
        )
        return TokenUsage(
            input=add_tokens(self.input, usage.input),
            output=add_tokens(self.output, usage.output),
            by_role={**self.by_role, role: now},
        )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent ended: written to state.json before anything lands, so that it is never run again.

    `verified` says that verification is over or was never due; until then `status` is the agent's own.
    `fixes` counts the fixers whose tokens and cost are included. `idle`: the agent's output says that it did nothing,
    so an ok needs some work to back it up. `summary` is what the agent wrote, `said` the first paragraph of its final
    message.
    """

    status: SessionStatus
    ended_at: datetime
    reason: str | None = None
    summary: str | None = None
    said: str | None = None
    tokens: TokenUsage = TokenUsage()
    cost_usd: float = 0.0
    cost_known: bool = True
    priced_by: CostSource = CostSource.AGENT
    unpriced: str | None = None
    cache_read: int = 0
    cache_write: int = 0
    model: str | None = None
    agent: str | None = None
    verified: bool = True
    fixes: int = 0
    idle: bool = False

    def bill(self, role: str, usage: Usage) -> "Outcome":
        """This outcome plus the tokens and cost that `role` used."""
        return msgspec.structs.replace(
            self,
            tokens=self.tokens.add(role, usage),
            cost_usd=add_usd(self.cost_usd, usage.cost_usd),
            cost_known=self.cost_known and usage.cost_known,
            priced_by=self.priced_by.or_less_sure(usage.priced_by),
            unpriced=self.unpriced or usage.unpriced,
            cache_read=add_tokens(self.cache_read, usage.cache_read),
            cache_write=add_tokens(self.cache_write, usage.cache_write),
        )

    def bill_fix(self, usage: Usage) -> "Outcome":
        """This outcome plus one more fixer and what it used."""
        return msgspec.structs.replace(self.bill(FIXER, usage), fixes=self.fixes + 1)


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session works: the commit it starts from, and its own working copy and branch, if any.

    `worktree` is relative to the run directory, None for the user's tree. `host` is the worker that it works on, None
    for the runner's machine.
    """

    base_commit: str
    worktree: str | None = None
    branch: str | None = None
    host: str | None = None


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What dispatch decided for a session; it never changes afterwards.

    `agent` and `fixer` are the backends this session was given: its bill goes by them, whatever the
    configuration says later. `worktree` is the working copy it runs in, relative to the run directory
    (`worktrees/slot-1`); None is the user's own. `retry_of` is the session that ended in conflict and whose
    turn this one takes. `queued` is the id of its task if that came from the queue, and `parallel_safe` whether that
    task may run beside others; of a prompt, its file says so. `notes_size` is the size of the run's scratchpad in bytes
    when the session began; None if the session writes to that scratchpad itself. `host` is the worker it runs on; None
    is the runner's machine.
    """

    seq: int
    prompt: str
    rotation: int
    started_at: datetime
    base_commit: str
    worktree: str | None = None
    branch: str | None = None
    agent: str | None = None
    model: str | None = None
    fixer: str | None = None
    fixer_model: str | None = None
    retry_of: int | None = None
    queued: str | None = None
    parallel_safe: bool = False
    notes_size: int | None = None
    host: str | None = None

    @property
    def is_no_turn(self) -> bool:
        """Whether it leaves the rotation alone: it retries another session, or its task was queued."""
        return self.retry_of is not None or self.queued is not None

    @property
    def cost_group(self) -> str:
        """The sessions that are expected to cost as much: those of its prompt, or all queued tasks."""
        return cost_group(self.prompt, self.queued)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a session has come.

    `pid` is the leader of the agent's process group on the session's host, and `pid_started` its start time in clock
    ticks since boot, so that a reused pid is never mistaken for it. `begun` says that this attempt's agent was
    seen running; it may have ended since. `agent` makes this attempt, `tried` are the agents of those before it;
    `model` is that of the first attempt. `waited_s` counts the seconds spent waiting between attempts; `waits_since`
    and `waits_until` are set while it waits. `committed` is the commit that holds all of its work, once it has vacated
    its working copy, which another session may be using by now.
    """

    pid: int | None = None
    pid_started: int | None = None
    attempt: int = 1
    agent: str | None = None
    model: str | None = None
    outcome: Outcome | None = None
    tried: tuple[str, ...] = ()
    begun: bool = False
    waited_s: float = 0.0
    waits_since: datetime | None = None
    waits_until: datetime | None = None
    committed: str | None = None

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents of all attempts so far, in order; empty while no agent is known."""
        return self.tried if self.agent is None else (*self.tried, self.agent)

    def cut_wait_s(self, last_seen: datetime) -> float:
        """Seconds it had waited when its run died at `last_seen`; 0 when it was not waiting."""
        if self.waits_since is None:
            return 0.0
        end = last_seen if self.waits_until is None else min(last_seen, self.waits_until)
        return max(0.0, (end - self.waits_since).total_seconds())


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was dispatched but has no record; written to state.json before its agent starts."""

    assignment: Assignment
    progress: Progress

    @classmethod
    def begin(cls, assignment: Assignment) -> "InFlight":
        """A session to which nothing has happened yet."""
        return cls(assignment=assignment, progress=Progress(agent=assignment.agent, model=assignment.model))

    @property
    def seq(self) -> int:
        """The number of the session."""
        return self.assignment.seq


class Landing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session's work went: a commit on the run branch, rescue refs, both or neither.

    `reason` is set when landing itself changed the verdict: a rejected commit, a moved HEAD. `retry` says
    that the work conflicts with what landed in the meantime, or that its host was lost, so the prompt deserves another
    turn. `hidden` names the files that only the session's own new ignore rules hide.
    """

    commit: str | None = None
    rescue: tuple[str, ...] = ()
    reason: str | None = None
    retry: bool = False
    hidden: str | None = None

    def with_rescued(self, refs: tuple[str, ...], why: str) -> "Landing":
        """The same with the `refs` of what had to be set aside; `why`, unless there is a reason already."""
        return msgspec.structs.replace(self, rescue=refs, reason=self.reason or why) if refs else self


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of sessions.jsonl: the truth about one session (SPEC 7).

    `cost_usd` is a lower bound when `cost_known` is false; `transcript_path` is relative to the run
    directory; fields from `rotation` on are ours, and left out when they say nothing. `retry` says that
    the prompt is due one more session, `retry_of` that this session was that second turn. `queued` is the id of its
    task if that came from the queue. `host` is the worker it ran on, None if that was the runner's machine.
    `cost_source` is a CostSource, or a word from a newer version; None when nothing was spent.
    """

    seq: int
    run_id: str
    prompt: str
    started_at: datetime
    ended_at: datetime
    status: SessionStatus
    summary: str | None = None
    commit: str | None = None
    tokens: TokenUsage = TokenUsage()
    cost_usd: float = 0.0
    transcript_path: str
    rotation: int | None = None
    cost_known: bool = True
    cost_source: str | None = None
    unpriced: str | None = None
    reason: str | None = None
    rescue: tuple[str, ...] = ()
    hidden: str | None = None
    attempts: int = 1
    model: str | None = None
    agent: str | None = None
    cache_read: int = 0
    cache_write: int = 0
    retry_of: int | None = None
    retry: bool = False
    waited_s: float = 0.0
    queued: str | None = None
    host: str | None = None

    @property
    def is_no_turn(self) -> bool:
        """Whether it leaves the rotation alone: it retries another session, or its task was queued."""
        return self.retry_of is not None or self.queued is not None

    @property
    def cost_group(self) -> str:
        """The sessions that are expected to cost as much: those of its prompt, or all queued tasks."""
        return cost_group(self.prompt, self.queued)

    @property
    def awaits_retry(self) -> bool:
        """Whether a conflict, or the loss of its host, calls for one more session; a second turn never does."""
        may = reason_kind(self.reason) in (Reason.CONFLICT, Reason.INTERRUPTED)
        return self.retry and may and not self.is_no_turn

    @property
    def is_outage(self) -> bool:
        """Whether its service stayed away before anything was used: that is not the session's failure."""
        used = self.tokens.input or self.tokens.output or self.cost_usd or self.commit
        away = self.status is SessionStatus.ERROR and reason_kind(self.reason) is Reason.OVERLOADED
        return away and not used and self.waited_s > 0


def cost_group(prompt: str, queued: str | None) -> str:
    """The sessions that are expected to cost as much as one of `prompt`, or one of the `queued` task."""
    return prompt if queued is None else QUEUED_TASKS


def transcript_name(seq: int) -> str:
    """The transcript of session `seq`, relative to the run directory."""
    return f"transcripts/session-{seq:04}.log"
