"""What recovery leaves to a person: each refusal says what is wrong and what to do, and changes nothing (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import StateOutOfSync
from pitboss.errors import DamagedRun, StartError

if TYPE_CHECKING:
    from pitboss.core.recovery.facts import Facts

MOST_RESTORED = 10_000
"""Lost records that are still believed; a seq that claims more is damage itself."""


def refuse_what_only_a_person_may_settle(facts: Facts) -> None:
    """Raise DamagedRun, StateOutOfSync or StartError for the first thing that stands in the way."""
    _refuse_unlikely_seq(facts)
    _refuse_damaged_log(facts)
    _refuse_lost_branch(facts)
    _refuse_foreign_checkout(facts)


def _refuse_unlikely_seq(facts: Facts) -> None:
    lost = facts.count_missing()
    if lost <= MOST_RESTORED:
        return
    if facts.top in facts.early:
        where = "sessions.jsonl"
    elif facts.top in facts.landed:
        where = f"a commit on {facts.branch}"
    else:
        where = "state.json"
    raise DamagedRun(
        f"{where} speaks of session {facts.top}, and {lost} sessions before it have no record",
        hint=f"take out what says {facts.top} if that is wrong, else bring sessions.jsonl back from a copy",
    )


def _refuse_damaged_log(facts: Facts) -> None:
    if facts.force:
        return
    hint = f"`pitboss repair {facts.run_id} --force` sets the damage aside and writes lost records anew"
    if facts.damage:
        first, *others = facts.damage
        more = f" (and {len(others)} more)" if others else ""
        raise DamagedRun(f"sessions.jsonl line {first.line} is damaged: {first.detail}{more}", hint=hint)
    if facts.state is not None and facts.state.last_session_seq > facts.highest_seq:
        raise StateOutOfSync(facts.run_id, facts.state.last_session_seq, facts.highest_seq)
    checkpoint = facts.state.last_session_seq if facts.state is not None else 0
    lost = next((seq for seq in facts.missing() if seq <= checkpoint or seq not in facts.landed), None)
    if lost:
        raise DamagedRun(f"sessions.jsonl has no record of session {lost}", hint=hint)


def _refuse_lost_branch(facts: Facts) -> None:
    if facts.branch_tip is None and not (facts.last_commit and facts.last_commit_exists):
        lost = (
            f"its last recorded commit {facts.last_commit[:7]}" if facts.last_commit else "its first commit"
        )
        raise StartError(
            f"the run branch {facts.branch} is gone, and so is {lost}",
            hint=f"`git branch {facts.branch} COMMIT` puts it back; `git reflog` may know the commit",
        )


def _refuse_foreign_checkout(facts: Facts) -> None:
    checkout = facts.checkout
    if checkout is None or not checkout.dirty or (facts.left_in_checkout and not facts.somebody_elsewhere):
        return
    if checkout.branch == facts.branch and facts.half_landed:
        return
    raise StartError(
        "the working tree has uncommitted changes that no session made",
        hint="put them away with `git stash -u`, then resume",
    )
