"""What must hold of a run with sessions side by side once it is at rest, whatever died on the way there (SPEC 1, 6)."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.chaos.checks import (
    SAME,
    budgets,
    dispatches,
    files,
    left_over,
    processes_of,
    projection,
    records_of,
)
from tests.chaos.parallel import SLOTS, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.aftermath import Aftermath
    from tests.chaos.parallel import Picture
    from tests.chaos.scenario import Place

CONFLICT = "conflict: shared.txt"
OWN_COMMIT = "the agent's own commit"
CONTENDERS = ("d-conflicts", "e-conflicts")
"""Whoever of them lands second is in conflict; nobody, when the other had landed before it began."""

__all__ = ["Expected", "processes_of", "violations"]


class Expected(NamedTuple):
    """How each prompt ends when nothing dies, the prompts in the order of their turns, and the user's checkout.

    `endless`: the turns come again and again. `user` is None when the run works in the user's checkout; it is on `main`
    again then.
    """

    verdicts: dict[str, dict[str, Any]]
    turns: tuple[str, ...]
    user: Picture | None
    endless: bool = False


def expected_of(
    place: Place, turns: Sequence[str], *, user: Picture | None, endless: bool = False
) -> Expected:
    """Learn from a run that nothing disturbed; its checkout was `user` before it began."""
    verdicts = {r["prompt"]: r for r in records_of(place) if r.get("retry_of") is None}
    return Expected(verdicts, tuple(turns), user, endless)


def violations(place: Place, expected: Expected, crashes: Sequence[Aftermath]) -> list[str]:
    """Everything that does not hold, at the crashes and now; empty when all does."""
    records = records_of(place)
    state = json.loads((place.repo / f".pitboss/grind/runs/{place.run_id()}/state.json").read_text())
    return [
        *(sentence for crash in crashes for sentence in crash.wrong),
        *_sequence(records, expected),
        *_retries(records, state),
        *_aborted(records, crashes),
        *_verdicts(place, records, expected),
        *dispatches(place, records),
        *_branch(place, records, state),
        *_places_of_files(place, records, state),
        *files(place),
        *budgets(records, state, "aborted" if expected.endless else "completed"),
        *projection(place, records),
        *_notes(place, records),
        *_slots(place, crashes),
        *left_over(place, state),
        *_checkout(place, expected),
    ]


def _sequence(records: list[dict[str, Any]], expected: Expected) -> list[str]:
    by_seq = sorted(records, key=lambda r: int(r["seq"]))
    found = []
    if [r["seq"] for r in by_seq] != list(range(1, len(records) + 1)):
        found.append(f"seqs {[r['seq'] for r in records]}")
    picked = [r for r in by_seq if r.get("retry_of") is None]
    turns = expected.turns
    due = [turns[n % len(turns)] for n in range(len(picked))] if expected.endless else list(turns)
    if [r["prompt"] for r in picked] != due:
        found.append(f"prompts {[r['prompt'] for r in picked]}")
    if [r["rotation"] for r in picked] != list(range(1, len(picked) + 1)):
        found.append(f"rotations {[r['rotation'] for r in picked]}")
    return found


def _retries(records: list[dict[str, Any]], state: dict[str, Any]) -> list[str]:
    """Each conflict earned its prompt exactly one more session, later; nothing else did."""
    conflicts = {
        r["seq"]: r["prompt"] for r in records if r.get("retry") and r["reason"].startswith("conflict")
    }
    due = {r["seq"] for r in state.get("conflicts", ())}
    retries = {r["retry_of"]: r["prompt"] for r in records if r.get("retry_of") is not None}
    found = [
        f"session {r['seq']} is in its retry before" for r in records if r["seq"] <= r.get("retry_of", 0)
    ]
    often = Counter(r["retry_of"] for r in records if r.get("retry_of") is not None)
    if {seq: prompt for seq, prompt in conflicts.items() if seq not in due} != retries or max(
        often.values(), default=1
    ) > 1:
        found.append(f"conflicts {conflicts}, due {due}, retries {often}: {retries}")
    return found


def _aborted(records: list[dict[str, Any]], crashes: Sequence[Aftermath]) -> list[str]:
    """Only what was cut short is recorded so: each at the crash that did it; those a dying guardian stops by count."""
    cut_short = frozenset[int]().union(*(crash.cut_short for crash in crashes))
    aborted = {r["seq"]: r["reason"] for r in records if r["status"] == "aborted"}
    stopped = [seq for seq, reason in aborted.items() if reason == "aborted"]
    found = [
        f"session {seq} is aborted ({reason}) and was not cut short"
        for seq, reason in aborted.items()
        if reason != "aborted" and seq not in cut_short
    ]
    if len(stopped) > SLOTS * len(crashes):
        found.append(f"{stopped} were stopped in {len(crashes)} crashes")
    return found


def _verdicts(place: Place, records: list[dict[str, Any]], expected: Expected) -> list[str]:
    """A session that was not cut short ends as in an undisturbed run.

    A fixer that was cut short is never run again: its session may have spent less, and its tests fail.
    """
    ends = Counter(line[1] for line in place.testimony() if line[0] == "end")
    found = []
    for record in records:
        wanted = expected.verdicts[record["prompt"]]
        fixer_cut = "fixer" in wanted["tokens"]["by_role"] and ends[str(record["seq"])] < 2
        if record["status"] == "aborted" or (
            fixer_cut and record.get("reason", "").startswith("verify_failed")
        ):
            continue
        names = [n for n in SAME if n != "rotation" and not (fixer_cut and n in ("tokens", "cost_usd"))]
        if record["prompt"] in CONTENDERS:
            names = [n for n in names if n not in ("status", "reason", "summary")]
            found += _contender(record)
        elif bool(record["commit"]) != bool(wanted["commit"]):
            found.append(f"session {record['seq']}: commit {record['commit']}")
        wrong = [n for n in names if record.get(n) != wanted.get(n)]
        found += [f"session {record['seq']}: {n} is {record.get(n)!r}, not {wanted.get(n)!r}" for n in wrong]
    return found


def _contender(record: dict[str, Any]) -> list[str]:
    verdict = record["status"], record.get("reason"), record["commit"] is None
    return [] if verdict in (("ok", None, False), ("error", CONFLICT, True)) else [f"contender: {record}"]


def _branch(place: Place, records: list[dict[str, Any]], state: dict[str, Any]) -> list[str]:
    """Read by first parents, the run branch is what the records claim, each once, and the agents' own commits.

    The order may be another: a record is written after its session's turn to land.
    """
    span = f"{state['base_commit']}..{state['branch']}"
    listed = place.git("log", "--first-parent", "--reverse", "--format=%H %s", span).splitlines()
    commits = [line.split(" ", 1) for line in listed]
    claimed = [r["commit"] for r in records if r["commit"]]
    unclaimed = [subject for oid, subject in commits if oid not in claimed]
    found = []
    landed = sorted(oid for oid, _ in commits if oid in claimed)
    if landed != sorted(claimed) or set(unclaimed) - {OWN_COMMIT}:
        found.append(f"the branch has {commits}, records claim {claimed}")
    if commits and commits[-1][0] not in claimed:
        found.append(f"the branch ends in {commits[-1]}")
    readme = place.git(
        "diff", "--name-only", state["base_commit"], state["branch"], "--", "readme.txt", "broken"
    )
    return [*found, *[f"on the branch: {readme}"] * bool(readme)]


def _places_of_files(place: Place, records: list[dict[str, Any]], state: dict[str, Any]) -> list[str]:
    """What a landed session wrote is on the run branch, and what another wrote is not."""
    listed = place.git("rev-list", "--objects", state["branch"])
    on_branch = {line.split()[0] for line in listed.splitlines()}
    landed = {str(r["seq"]): bool(r["commit"]) for r in records}
    return [
        f"{line} {'is not' if landed[line[1]] else 'is'} on the branch"
        for line in place.testimony()
        if line[0] == "wrote" and line[1] in landed and (line[2] in on_branch) != landed[line[1]]
    ]


def _notes(place: Place, records: list[dict[str, Any]]) -> list[str]:
    """What a session noted is in the run's scratchpad once, under one heading of its own."""
    path = place.repo / f".pitboss/grind/runs/{place.run_id()}/scratchpad.md"
    text = path.read_text() if path.exists() else ""
    notes = Counter(re.findall(r"^- seen by session (\d+)$", text, re.MULTILINE))
    headings = Counter(re.findall(r"^## session-0*(\d+) — \S+$", text, re.MULTILINE))
    noted = {line[1] for line in place.testimony() if line[0] == "noted"}
    found = [f"note of session {seq}: {notes[seq]} times" for seq in noted | set(notes) if notes[seq] != 1]
    found += [f"section of session {seq}: {n} times" for seq, n in headings.items() if n > 1]
    plain = {str(r["seq"]) for r in records} - set(headings)
    prompts = {r["prompt"] for r in records if str(r["seq"]) in plain and str(r["seq"]) in notes}
    return found + [f"no section for {prompts}"] * bool(prompts - {"f-exclusive"})


def _slots(place: Place, crashes: Sequence[Aftermath]) -> list[str]:
    """Every agent found its slot furnished, and no slot was furnished more often than it was made."""
    said = Counter(line[0] for line in place.testimony())
    found = [f"{line}: slot not furnished" for line in place.testimony() if line[0] == "bare"]
    if said["setup"] > SLOTS * (1 + len(crashes)):
        found.append(f"{said['setup']} set-ups in {1 + len(crashes)} lives")
    return found


def _checkout(place: Place, expected: Expected) -> list[str]:
    if expected.user is not None:
        now = picture(place)
        return [] if now == expected.user else [f"the user's checkout was {expected.user}, is {now}"]
    found = place.git("status", "--porcelain", "--branch")
    return [] if found == "## main" else [f"tree: {found}"]
