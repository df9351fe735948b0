"""The kill matrix of workers: who is struck, and when; then the promises are checked (SPEC 1, 14).

    python -m tests.chaos.workers [--only TEXT] [--jobs N]

Prints each cell and what it breaks; ends with 1 if any does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.worker_blows import GEAR, Blow, Who, lost_after_s, why_not
from tests.chaos.worker_night import Gear, Night, When, within
from tests.chaos.worker_promises import broken_promises
from tests.support.cli import finish
from tests.support.runs import the_run

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cell(NamedTuple):
    """One cell of the matrix."""

    who: Who
    when: When

    def __str__(self) -> str:
        return f"{self.who} x {self.when}"

    @property
    def gear(self) -> Gear:
        """What its workers need."""
        return GEAR.get(self.who, Gear.OWN)


NOBODY = {
    Cell(Who.AGENT, When.IN_PUSH),
    Cell(Who.AGENT, When.IN_LANDING),
    Cell(Who.IDLE_WORKER, When.IN_LANDING),
}
"""There is no agent by then; and the other worker waits for its turn to land."""

CELLS = tuple(cell for who in Who for when in When if (cell := Cell(who, when)) not in NOBODY)


def try_cell(cell: Cell, folder: Path) -> list[str]:
    """What is broken after the blow, in words; nothing if every promise is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    began_at = datetime.now(UTC)
    night = Night(folder, cell.when, cell.gear, lost_after_s(cell.who))
    with night.at_work() as address:
        broken = _struck(night, cell, address)
        broken += broken_promises(night, began_at)
    return [*broken, *_survivors(night)]


def _struck(night: Night, cell: Cell, address: str) -> list[str]:
    with night.project.started("grind", "--workers", address) as process:
        night.gate.wait()
        blow = Blow(night, cell.who, cell.when, process)
        blow.fall()
        night.others.open()
        ended = finish(process)
    broken = blow.complaints
    if cell.gear in (Gear.OWN, Gear.REMOTE):
        broken += _survivors(night)
    if the_run(night.project).state["status"] in ("active", "aborted"):
        done = night.project.pitboss("grind", "--resume")
        if done.code not in (0, 1):
            broken.append(f"the resume ended with {done.code}: {done.err}")
    elif ended.code not in (0, 1):
        broken.append(f"the run ended with {ended.code}: {ended.err}")
    return broken


def _survivors(night: Night) -> Iterator[str]:
    if not within(night.lost_after_s + 5.0, lambda: not night.left()):
        yield f"{len(night.left())} processes are left"


def _judged(cell: Cell) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="pitboss-workers-") as folder:
        began = time.monotonic()
        if (why := why_not(cell.gear)) is not None:
            print(f"skip          {cell}: {why}", flush=True)
            return []
        try:
            broken = try_cell(cell, Path(folder))
        except AssertionError as error:
            broken = [f"it did not come so far: {error!r}"]
    lines = [f"{'ok  ' if not broken else 'FAIL'} {time.monotonic() - began:6.1f} s  {cell}"]
    print("\n".join([*lines, *(f"       {what}" for what in broken)]), flush=True)
    return broken


def main() -> int:
    """Try the cells, all or those whose name contains a text; 0 if every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    asked = parser.parse_args()
    with ThreadPoolExecutor(asked.jobs) as pool:
        broken = list(pool.map(_judged, (cell for cell in CELLS if asked.only in str(cell))))
    failed = sum(map(bool, broken))
    print(f"{len(broken)} cells, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
