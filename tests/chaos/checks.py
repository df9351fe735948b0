"""What must hold of a run once it is at rest, whatever died on the way there (SPEC 1)."""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.chaos.scenario import Place

SAME = ("status", "tokens", "cost_usd", "summary", "reason", "rotation", "agent")


class Baseline(NamedTuple):
    """The records of the same run when nothing dies, and the status it comes to rest with."""

    records: list[dict[str, Any]]
    status: str = "completed"


def records_of(place: Place) -> list[dict[str, Any]]:
    """The log's records; a line that is no JSON fails the test."""
    run_id = place.run_id()
    log = place.repo / f".pitboss/grind/runs/{run_id}/sessions.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()]


def violations(place: Place, baseline: Baseline, *, crashes: int) -> list[str]:
    """Everything that does not hold; empty when all does. `crashes`: how often the run was killed."""
    records = records_of(place)
    state = json.loads((place.repo / f".pitboss/grind/runs/{place.run_id()}/state.json").read_text())
    return [
        *_sequence(records, baseline, crashes),
        *_verdicts(place, records, baseline),
        *dispatches(place, records),
        *_commits(place, records, state),
        *files(place),
        *budgets(records, state, baseline.status),
        *projection(place, records),
        *_left_over(place, state),
    ]


def _sequence(records: list[dict[str, Any]], baseline: Baseline, crashes: int) -> list[str]:
    found = []
    if [r["seq"] for r in records] != list(range(1, len(baseline.records) + 1)):
        found.append(f"seqs {[r['seq'] for r in records]}")
    if [r["prompt"] for r in records] != [r["prompt"] for r in baseline.records]:
        found.append(f"prompts {[r['prompt'] for r in records]}")
    aborted = [r["seq"] for r in records if r["status"] == "aborted"]
    if len(aborted) > crashes:
        found.append(f"{len(aborted)} aborted sessions after {crashes} crashes")
    return found


def _verdicts(place: Place, records: list[dict[str, Any]], baseline: Baseline) -> list[str]:
    """A session that was not cut short ends as in the baseline.

    A fixer that was cut short is never run again, so its session may have spent less.
    """
    ends = Counter(line[1] for line in place.testimony() if line[0] == "end")
    found = []
    for record, expected in zip(records, baseline.records, strict=False):
        seq = str(record["seq"])
        fixer_cut = "fixer" in expected["tokens"]["by_role"] and ends[seq] < 2
        names = [n for n in SAME if not (fixer_cut and n in ("tokens", "cost_usd"))]
        wrong = [n for n in names if record["status"] != "aborted" and record.get(n) != expected.get(n)]
        found += [f"session {seq}: {n} is {record.get(n)!r}, not {expected.get(n)!r}" for n in wrong]
    return found


def dispatches(place: Place, records: list[dict[str, Any]]) -> list[str]:
    """Nothing is done twice, and whatever an agent did has its record."""
    said = place.testimony()
    often = Counter((line[0], line[1]) for line in said)
    found = []
    for (what, seq), n in often.items():
        limit = 1 + often["fixer", seq] if what == "end" else 1  # the fixer says so too
        if what in ("agent", "fixer", "post", "end") and n > limit:
            found.append(f"{what} of session {seq} {n} times")
    recorded = {str(r["seq"]): r["prompt"] for r in records}
    found += [
        f"agent {line[1:]} has no record"
        for line in said
        if line[0] == "agent" and recorded.get(line[1]) != line[2]
    ]
    return found


def _commits(place: Place, records: list[dict[str, Any]], state: dict[str, Any]) -> list[str]:
    base, branch = state["base_commit"], state["branch"]
    made = place.git("rev-list", "--reverse", f"{base}..{branch}").split()
    tips = [r["commit"] for r in records if r["commit"]]
    found = [f"commit {tip} is not on the branch" for tip in tips if tip not in made]
    if made and (not tips or made[-1] != tips[-1]):
        found.append(f"the branch ends in {made[-1]}, which no record claims")
    for earlier, later in pairwise([base, *tips]):
        between = place.git("rev-list", f"{earlier}..{later}").split()
        subjects = place.git("log", "--format=%s", f"{earlier}..{later}").splitlines()
        ours = place.git("log", "--format=%(trailers:key=Pitboss-Session,valueonly)", f"{earlier}..{later}")
        if len(ours.split()) > 1 or not between:
            found.append(f"between {earlier} and {later}: {subjects}")
    return found


def files(place: Place) -> list[str]:
    """Every file an agent wrote is reachable, from the run branch or a rescue ref that a record names."""
    run_id = place.run_id()
    listed = place.git(
        "rev-list",
        "--objects",
        f"refs/heads/pitboss/grind/{run_id}",
        f"--glob=refs/pitboss/rescue/{run_id}/*",
    )
    reachable = {line.split()[0] for line in listed.splitlines()}
    named = {r for record in records_of(place) for r in record.get("rescue", [])}
    refs = set(place.git("for-each-ref", "--format=%(refname)", f"refs/pitboss/rescue/{run_id}").split())
    lost = [line for line in place.testimony() if line[0] in ("wrote", "hid") and line[2] not in reachable]
    return [f"lost: {line}" for line in lost] + [f"rescue refs {refs} but records name {named}"] * (
        refs != named
    )


def budgets(records: list[dict[str, Any]], state: dict[str, Any], status: str) -> list[str]:
    """The budgets are the sums of the records, and the run is at rest."""
    used, sums = state["budget_consumed"], spent(records)
    found = [
        f"{name} is {used[name]}, records say {value}" for name, value in sums.items() if used[name] != value
    ]
    cost = sum(r["cost_usd"] for r in records)
    if abs(used["cost_usd"] - cost) > 1e-9:
        found.append(f"cost is {used['cost_usd']}, records say {cost}")
    if state["last_session_seq"] != len(records) or state["status"] != status or state.get("in_flight"):
        found.append(f"state {state}")
    return found


def spent(records: list[dict[str, Any]]) -> dict[str, int]:
    """What records say was used, by the names that state.json has for it."""
    return {
        "iterations": len(records),
        "tokens_input": sum(r["tokens"]["input"] for r in records),
        "tokens_output": sum(r["tokens"]["output"] for r in records),
    }


def projection(place: Place, records: list[dict[str, Any]]) -> list[str]:
    """sessions.md has each record once."""
    text = (place.repo / f".pitboss/grind/runs/{place.run_id()}/sessions.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    expected = [f"## session-{r['seq']:04} — {r['prompt']} ({r['status']})" for r in records]
    return [] if headings == expected else [f"sessions.md has {headings}"]


def _left_over(place: Place, state: dict[str, Any]) -> list[str]:
    found = []
    if place.git("status", "--porcelain") or place.git("branch", "--show-current") != "main":
        found.append(f"tree: {place.git('status', '--porcelain', '--branch')}")
    return [*left_over(place, state), *found]


def left_over(place: Place, state: dict[str, Any]) -> list[str]:
    """No process, worktree, session branch or lock is left."""
    found = [f"process {pid}" for pid in processes_of(place)]
    if len(place.git("worktree", "list").splitlines()) != 1:
        found.append("worktrees")
    branches = place.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    if set(branches) - {"main", state["branch"]}:
        found.append(f"branches {branches}")
    found += [f"lock {path}" for path in (place.repo / ".git").rglob("*.lock")]
    return [*found, *_lock_held(place)]


def _lock_held(place: Place) -> list[str]:
    with (place.repo / ".pitboss/grind/lock").open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ["the lock is held"]
    return []


def processes_of(place: Place) -> list[int]:
    """Live processes of this place's run, by their environment."""
    mark = f"CHAOS_LOG={place.log}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
