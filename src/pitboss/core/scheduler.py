"""Which prompt runs next: weighted rotation as a pure function of the state (SPEC 3)."""

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.measures import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt of a rotation as the scheduler sees it, overrides already applied."""

    name: str
    weight: int = 1
    every: int = 1
    max_runs: int | None = None


class SchedulerState(msgspec.Struct, frozen=True, kw_only=True):
    """Rotations tried so far and dispatches per prompt: all that the next pick depends on."""

    rotation: int = 0
    runs_per_prompt: dict[str, int] = {}

    def runs(self, name: str) -> int:
        """How often `name` has been dispatched so far."""
        return self.runs_per_prompt.get(name, 0)


class Pick(msgspec.Struct, frozen=True):
    """`name` runs next; `state` is the scheduler after this choice, before its dispatch is counted."""

    name: str
    state: SchedulerState


class Gated(msgspec.Struct, frozen=True):
    """No prompt takes part in this rotation, but one may in a later one: ask again."""

    state: SchedulerState


class Exhausted(msgspec.Struct, frozen=True):
    """No prompt can ever run again: the run is completed."""

    state: SchedulerState


def choose(contenders: "Sequence[Contender]", state: SchedulerState) -> Pick | Gated | Exhausted:
    """Advance the rotation by one and choose from the prompts that take part in it (SPEC 3)."""
    state = SchedulerState(rotation=state.rotation + 1, runs_per_prompt=state.runs_per_prompt)
    eligible = _eligible(contenders, state)
    if not eligible:
        return Exhausted(state)
    candidates = [c for c in eligible if state.rotation % c.every == 0]
    if not candidates:
        return Gated(state)
    return Pick(_neediest(candidates, state), state)


def next_pick(contenders: "Sequence[Contender]", state: SchedulerState) -> Pick | Exhausted:
    """Ask until the answer is not gated; rotations in which no prompt takes part are skipped at once."""
    answer = choose(contenders, state)
    if isinstance(answer, Gated):
        answer = choose(contenders, _before_next_rotation(contenders, answer.state))
    if isinstance(answer, Gated):
        raise AssertionError("a rotation chosen because a prompt takes part in it is never gated")
    return answer


def record_run(state: SchedulerState, name: str) -> SchedulerState:
    """Count a dispatch of `name`."""
    runs = dict(state.runs_per_prompt)
    runs[name] = runs.get(name, 0) + 1
    return SchedulerState(rotation=state.rotation, runs_per_prompt=runs)


def _eligible(contenders: "Sequence[Contender]", state: SchedulerState) -> list[Contender]:
    return [c for c in contenders if c.max_runs is None or state.runs(c.name) < c.max_runs]


def _before_next_rotation(contenders: "Sequence[Contender]", state: SchedulerState) -> SchedulerState:
    nearest = min((state.rotation // c.every + 1) * c.every for c in _eligible(contenders, state))
    return SchedulerState(rotation=nearest - 1, runs_per_prompt=state.runs_per_prompt)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a prompt stands in the next rotation: the highest `score` runs. None: it takes no part in it.

    `left_out`: it takes no part in any, as its sessions have landed nothing too often.
    """

    name: str
    score: int | None
    runs: int
    weight: int
    every: int
    max_runs: int | None
    left_out: bool = False

    @property
    def is_spent(self) -> bool:
        """Whether it has had all the runs that it may have."""
        return self.max_runs is not None and self.runs >= self.max_runs

    @property
    def share(self) -> str:
        """What the score is made of, in words: `1 run, weight 2`."""
        runs = counted(self.runs, "run")
        if self.max_runs is not None:
            runs = f"{self.runs} of {counted(self.max_runs, 'run')}"
        return f"{runs}, weight {self.weight}{f', every {self.every}' if self.every > 1 else ''}"


def standings(
    contenders: "Sequence[Contender]", state: SchedulerState, left_out: "Collection[str]" = ()
) -> tuple[Standing, ...]:
    """All prompts in the order in which the next rotation prefers them; those that take no part come last (SPEC 3)."""
    rotation = state.rotation + 1
    eligible = [c for c in _eligible(contenders, state) if c.name not in left_out]
    scores = _scores([c for c in eligible if rotation % c.every == 0], state)
    found = [
        Standing(
            name=c.name,
            score=scores.get(c.name),
            runs=state.runs(c.name),
            weight=c.weight,
            every=c.every,
            max_runs=c.max_runs,
            left_out=c.name in left_out,
        )
        for c in contenders
    ]
    return tuple(sorted(found, key=lambda each: (each.score is None, -(each.score or 0), each.name)))


def _neediest(candidates: "Sequence[Contender]", state: SchedulerState) -> str:
    scores = _scores(candidates, state)
    return min(scores, key=lambda name: (-scores[name], name))


def _scores(candidates: "Sequence[Contender]", state: SchedulerState) -> dict[str, int]:
    """How far each is behind its share of the runs of all that take part."""
    total_runs = sum(state.runs(c.name) for c in candidates)
    total_weight = sum(c.weight for c in candidates)
    return {c.name: c.weight * total_runs - state.runs(c.name) * total_weight for c in candidates}
