"""The soak: one run killed and resumed again and again at random times, and a long one watched for growth.

    python -m tests.chaos.soak [--cycles N] [--sessions N] [--seed N] [--parallel [--mode in-place|worktree]]

Every cycle resumes the same run and kills its runner, its guardian or both after a random while. At the end
each session has its one record, each commit its one claim, and no file an agent wrote is lost. Then a run
of many sessions is left alone, and memory and file descriptors of its two processes must not grow.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from tests.chaos.aftermath import look
from tests.chaos.checks import Baseline, processes_of, records_of, violations
from tests.chaos.crash import runner_of
from tests.chaos.parallel import PROMPTS as PARALLEL_PROMPTS
from tests.chaos.parallel import SLOTS, Mode, build_parallel, picture
from tests.chaos.parallel_checks import expected_of
from tests.chaos.parallel_checks import violations as parallel_violations
from tests.chaos.scenario import Place, build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROMPTS = ("a-commit", "b-nothing", "c-commits-itself", "d-fails", "g-commit")
PAUSED = 3
"""Exit code of a run that a budget stopped."""

LONGEST_LIFE_S = 0.9
LONGEST_PARALLEL_LIFE_S = 2.0
PATIENCE_S = 30.0
MOST_GROWTH_KIB = 2048
VICTIMS = ("runner", "runner", "guardian", "both")


class Sample(NamedTuple):
    """One look at a process: after how many sessions, how much memory (KiB), how many descriptors."""

    sessions: int
    rss_kib: int
    descriptors: int


def prepare(root: Path) -> Place:
    """A repository whose prompts may run for ever."""
    place = build(root, PROMPTS)
    for prompt in (place.repo / ".pitboss/grind/prompts").iterdir():
        prompt.write_text(prompt.read_text().replace("max_runs: 1\n", ""))
    return place


def kill_and_resume(folder: Path, cycles: int, chance: random.Random) -> tuple[int, list[str]]:
    """Kill one run that often and bring it to rest; return its sessions and what does not hold then."""
    place, undisturbed = prepare(folder / "killed"), prepare(folder / "undisturbed")
    for begun in (place, undisturbed):
        begun.pitboss("grind", "--max-iterations", str(len(PROMPTS)))
    for _ in range(cycles):
        _one_life(place, chance)
    sessions = len(records_of(place)) + 2
    ended = place.pitboss("grind", "--resume", "--max-iterations", str(sessions))
    sessions = len(records_of(place))
    wrong = [] if ended.code == PAUSED else [f"the last resume: {ended}"]
    return sessions, wrong + violations(place, _repeated(undisturbed, sessions), crashes=cycles)


def kill_and_resume_parallel(
    folder: Path, cycles: int, chance: random.Random, mode: Mode
) -> tuple[int, list[str]]:
    """The same for sessions side by side; each crash is looked at before the next life begins."""
    place, undisturbed = (
        build_parallel(folder / name, mode, endless=True) for name in ("killed", "undisturbed")
    )
    user = picture(place) if mode == "worktree" else None
    turns = str(len(PARALLEL_PROMPTS) + 1)  # one is the retry of a conflict
    undisturbed.pitboss("grind", "--max-iterations", turns)
    expected = expected_of(undisturbed, PARALLEL_PROMPTS, user=user, endless=True)
    place.pitboss("grind", "--max-iterations", turns)
    (place.root / "moment").touch()
    crashes = []
    for _ in range(cycles):
        _one_life(place, chance, LONGEST_PARALLEL_LIFE_S)
        crashes.append(look(place))
    ended = place.pitboss("grind", "--resume", "--max-iterations", str(_most_sessions(place) + SLOTS))
    wrong = [] if ended.code == PAUSED else [f"the last resume: {ended}"]
    return len(records_of(place)), wrong + parallel_violations(place, expected, crashes)


def _most_sessions(place: Place) -> int:
    """More sessions than these were not begun."""
    state = json.loads((place.repo / f".pitboss/grind/runs/{place.run_id()}/state.json").read_bytes())
    return max(int(session["seq"]) for session in [*records_of(place), *state.get("in_flight", ())])


def _repeated(undisturbed: Place, sessions: int) -> Baseline:
    """The records of as many sessions as there were, when the prompts just take turns."""
    turns = records_of(undisturbed)
    expected = [turns[at % len(turns)] | {"seq": at + 1, "rotation": at + 1} for at in range(sessions)]
    return Baseline(expected, status="aborted")


def _one_life(place: Place, chance: random.Random, longest_s: float = LONGEST_LIFE_S) -> None:
    """Resume the run and kill it after a random while; return when all of it is gone."""
    with _started(place) as guardian:
        time.sleep(chance.uniform(0, longest_s))
        _kill(guardian, chance.choice(VICTIMS))
        guardian.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while processes_of(place) and time.monotonic() < deadline:
        time.sleep(0.01)


@contextlib.contextmanager
def _started(place: Place, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    again = ("--resume",) if place.run_id() else ()
    with (place.root / "output").open("ab") as output:
        guardian = subprocess.Popen(
            [sys.executable, "-m", "pitboss", "grind", *again, *options],
            cwd=place.repo,
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    with guardian:
        yield guardian


def _kill(guardian: subprocess.Popen[bytes], victim: str) -> None:
    runner = runner_of(guardian.pid)
    pids = [guardian.pid] if victim != "runner" or runner is None else []
    if victim != "guardian" and runner is not None:
        pids.append(runner)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def watch_growth(place: Place, sessions: int) -> dict[str, list[Sample]]:
    """Let a run of that many sessions go undisturbed; return samples of guardian and runner."""
    samples: dict[str, list[Sample]] = {"guardian": [], "runner": []}
    with _started(place, "--max-iterations", str(sessions)) as guardian:
        while guardian.poll() is None:
            pids = {"guardian": guardian.pid, "runner": runner_of(guardian.pid)}
            done = _sessions(place)
            for name, pid in pids.items():
                if pid is not None and done and (look := _look(pid, done)):
                    samples[name].append(look)
            time.sleep(0.05)
    return samples


def _sessions(place: Place) -> int:
    run_id = place.run_id()
    log = place.repo / f".pitboss/grind/runs/{run_id}/sessions.jsonl"
    return log.read_bytes().count(b"\n") if run_id and log.exists() else 0


def _look(pid: int, sessions: int) -> Sample | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - gone while it is read, maybe
        rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return None
    return Sample(sessions, int(rss), descriptors)


def growth(samples: Sequence[Sample]) -> list[str]:
    """What grew between the second quarter of a run's sessions and the last: the first warms caches."""
    whole = samples[-1].sessions
    second = [seen for seen in samples if whole / 4 < seen.sessions <= whole / 2]
    last = [seen for seen in samples if seen.sessions > whole * 3 / 4]
    if not second:
        return ["nobody looked in the second quarter"]
    found = []
    if min(s.rss_kib for s in last) > max(s.rss_kib for s in second) + MOST_GROWTH_KIB:
        found.append(f"memory grew from {second[0]} to {last[-1]}")
    if min(s.descriptors for s in last) > max(s.descriptors for s in second):
        found.append(f"descriptors grew from {second[0]} to {last[-1]}")
    return found


def main() -> int:
    """Soak, print what did not hold, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=400, help="length of the run that is watched")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", action="store_true", help="sessions side by side")
    parser.add_argument("--mode", choices=get_args(Mode), default="in-place", help="where those work")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pitboss-soak-"))
    began = time.monotonic()
    chance = random.Random(args.seed)
    if args.parallel:
        sessions, wrong = kill_and_resume_parallel(folder, args.cycles, chance, args.mode)
        watched = build_parallel(folder / "watched", args.mode, endless=True)
    else:
        sessions, wrong = kill_and_resume(folder, args.cycles, chance)
        watched = prepare(folder / "watched")
    samples = watch_growth(watched, args.sessions)
    wrong += [f"{name}: {what}" for name, seen in samples.items() for what in growth(seen)]
    print(*wrong, sep="\n", end="\n" * bool(wrong))
    print(f"{args.cycles} kills and resumes, {sessions} sessions recorded")
    for name, seen in samples.items():
        print(f"{name} over {args.sessions} sessions: first {seen[0]}, last {seen[-1]}")
    print(
        f"{time.monotonic() - began:.0f} seconds; {len(wrong)} promises broken"
        + f", see {folder}" * bool(wrong)
    )
    if not wrong:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
