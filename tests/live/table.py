"""`make agents`: grind each CLI through each scenario and print the table; exits with 1 when something is wrong."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.live.clis import CLIS
from tests.live.installs import INSTALLS, CannotInstallError, cache_folder, installed, latest
from tests.live.model import Scenario
from tests.live.service import Service
from tests.live.trial import Trial
from tests.live.verdicts import faults, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.live.clis import Cli
    from tests.live.installs import Install

HARD_FIRST = (
    Scenario.OVERLOADED,
    Scenario.CUT,
    Scenario.CUT_CLEAN,
    Scenario.OUTAGE,
    Scenario.USAGE_LIMIT,
    Scenario.LIMIT_MIDWAY,
)
"""What takes longest begins first."""


class Cell(NamedTuple):
    """One trial's place in the table."""

    cli: Cli
    scenario: Scenario
    install: Install


class Outcome(NamedTuple):
    """What stands in it."""

    words: str
    wrong: list[str]


def main() -> int:
    """Install, try, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cli", action="append", choices=[cli.backend for cli in CLIS], help="only this one")
    parser.add_argument("--scenario", action="append", choices=list(Scenario), help="only this one")
    parser.add_argument("--newest", action="store_true", help="the newest versions, not those known to work")
    parser.add_argument(
        "--compression", type=float, default=10.0, help="how many times shorter than 10 minutes an outage is"
    )
    parser.add_argument("--jobs", type=int, default=8, help="trials at a time; most of a trial is waiting")
    args = parser.parse_args()
    scenarios = [
        scenario for scenario in Scenario if args.scenario in (None, []) or scenario in args.scenario
    ]
    found = _install([cli for cli in CLIS if not args.cli or cli.backend in args.cli], newest=args.newest)
    cells = [
        Cell(cli, scenario, install)
        for scenario in sorted(scenarios, key=lambda scenario: (*HARD_FIRST, scenario).index(scenario))
        for cli, install in found.items()
        if scenario not in cli.without
    ]
    folder = Path(tempfile.mkdtemp(prefix="pitboss-agents-")).resolve()
    outcomes = _try_all(cells, folder, args)
    _print_table(outcomes, found, scenarios)
    failed = sum(bool(outcome.wrong) for outcome in outcomes.values())
    print(f"\n{len(outcomes) - failed} of {len(outcomes)} passed")
    if failed:
        print(f"what failed is kept in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if failed or not outcomes else 0


def _install(clis: Sequence[Cli], *, newest: bool) -> dict[Cli, Install]:
    """The CLIs that can be had; says which cannot."""
    found, cache = {}, cache_folder()
    for cli in clis:
        try:
            install = latest(INSTALLS[cli.program]) if newest else INSTALLS[cli.program]
            installed(install, cache)
            found[cli] = install
            print(f"{install.program} {install.version} is installed", flush=True)
        except CannotInstallError as error:
            print(f"{cli.program} is skipped, it cannot be installed: {error}", flush=True)
    return found


def _try_all(
    cells: Sequence[Cell], folder: Path, args: argparse.Namespace
) -> dict[tuple[str, Scenario], Outcome]:
    """Run the trials side by side; each says how it went when it is over."""
    with Service() as service, ThreadPoolExecutor(args.jobs) as pool:

        def attempt(cell: Cell) -> Outcome:
            bin_folder = cell.install.bin(cache_folder())
            trial = Trial(folder, cell.cli, cell.scenario, bin_folder, compression=args.compression)
            seen = trial.run(service)
            outcome = Outcome(summary(seen), list(faults(cell.cli, cell.scenario, seen)))
            state = "FAILED" if outcome.wrong else "passed"
            about = f"{cell.cli.backend} {cell.scenario}: {state} in {seen.seconds:.0f} s"
            lines = [f"{about}, {seen.guest.requests} requests: {outcome.words}", *outcome.wrong]
            print("\n    ".join(lines), flush=True)
            if not outcome.wrong:
                shutil.rmtree(trial.root, ignore_errors=True)
            return outcome

        keys = [(cell.cli.backend, cell.scenario) for cell in cells]
        return dict(zip(keys, pool.map(attempt, cells), strict=True))


def _print_table(
    outcomes: dict[tuple[str, Scenario], Outcome], found: dict[Cli, Install], scenarios: Sequence[Scenario]
) -> None:
    """The table in Markdown."""
    print()
    print("| CLI | " + " | ".join(scenarios) + " |")
    print("|---" * (len(scenarios) + 1) + "|")
    for cli, install in found.items():
        acp = " (acp)" if cli.backend.startswith("acp:") else ""
        row = [f"{install.program} {install.version}{acp}"]
        for scenario in scenarios:
            outcome = outcomes.get((cli.backend, scenario))
            row.append("" if outcome is None else ("**FAILED** " if outcome.wrong else "") + outcome.words)
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    sys.exit(main())
