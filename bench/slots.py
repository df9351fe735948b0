"""How soon a reused slot is ready compared with a new worktree, at 20,000 files (SPEC 6).

All start from the same commits, in turn. Before each measured move a slot has had a session: its own commit, landed,
and its branch deleted. The plain way, for comparison, is `git checkout --detach` in a separate worktree.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import interleave, median, say
from bench.repositories import CHANGES_NOTHING, FILES_A_FOLDER, git, make_repository
from pitboss.git.repo import Repo
from pitboss.landing.slot import Slot
from pitboss.landing.slot_traces import RELEASED
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

FILES = 20_000
ROUNDS = 9
CHANGED = 5
LIMIT = 0.35
RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"


def measure(scratch: Path) -> list[Figure]:
    """A new worktree, a plain checkout and a slot, each moved to a tip a few files ahead, or not moved."""
    say(f"a new worktree against a reused slot, {FILES} files: {ROUNDS} rounds")
    race = _Race(make_repository(scratch / "slots", files=FILES, agent=CHANGES_NOTHING))
    cases = {
        "fresh `git worktree add`": race.fresh,
        "`git checkout --detach`": race.plain,
        "slot, the tip moved": race.moved,
        "slot, the same tip": race.unmoved,
    }
    taken = interleave(cases, ROUNDS)
    fresh = median(taken["fresh `git worktree add`"])
    name = f"ready to work, {FILES} files"
    figures = [Figure(f"{name}: {case}", median(values) * 1000, "ms") for case, values in taken.items()]
    return figures + [
        Figure(f"{name}: {case} / fresh", median(taken[case]) / fresh, "x", LIMIT if "slot" in case else None)
        for case in list(cases)[1:]
    ]


class _Race:
    """One repository, with a worktree for the plain way and two slots, all created and used once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = RunPaths(root, RUN).worktrees
        self._tips = _commits(root, ROUNDS + 1)
        self._seq = 0
        repo = Repo.discover(root)
        self._slots = [Slot(repo, RUN, self._folder / f"slot-{nth}") for nth in (1, 2)]
        git(root, "worktree", "add", "--quiet", "--detach", str(self._folder / "plain"), self._tips[0])
        self._round = 0
        for slot in self._slots:
            self._use(slot, self._tips[0])
            self._use(slot, self._tips[0])

    def fresh(self) -> float:
        """Begins a round: a new tip for everyone."""
        self._round += 1
        self._seq += 1
        place = str(self._folder / "fresh")
        started = time.perf_counter()
        git(self._root, "worktree", "add", "--quiet", "-b", f"fresh-{self._seq}", place, self._tip)
        taken = time.perf_counter() - started
        git(self._root, "worktree", "remove", "--force", place)
        return taken

    def plain(self) -> float:
        started = time.perf_counter()
        git(self._folder / "plain", "checkout", "--quiet", "--detach", self._tip)
        return time.perf_counter() - started

    def moved(self) -> float:
        return self._use(self._slots[0], self._tip)

    def unmoved(self) -> float:
        return self._use(self._slots[1], self._tips[0])

    @property
    def _tip(self) -> str:
        return self._tips[self._round]

    def _use(self, slot: Slot, tip: str) -> float:
        """Make the slot ready, which is measured; then run a session there that leaves it at `tip`, released."""
        self._seq += 1
        branch = f"{BRANCH}-session-{self._seq:04}"
        started = time.perf_counter()
        slot.prepare(branch, tip, seq=self._seq)
        taken = time.perf_counter() - started
        with (slot.path / "changed").open("a", encoding="utf-8") as file:
            file.write(f"{self._seq}\n")
        git(slot.path, "add", "--all")
        git(slot.path, "commit", "--quiet", "--message=work")
        done = git(slot.path, "rev-parse", "HEAD").strip()
        git(slot.path, "update-ref", "--no-deref", "-m", RELEASED, "HEAD", done)
        git(self._root, "update-ref", "-d", f"refs/heads/{branch}")
        return taken


def _commits(root: Path, count: int) -> list[str]:
    """A chain of commits that each change a few files in as many folders."""
    tips = [git(root, "rev-parse", "HEAD").strip()]
    for nth in range(count):
        for folder in range(CHANGED):
            number = ((nth * CHANGED + folder) * 7 * FILES_A_FOLDER + nth) % (FILES - FILES_A_FOLDER)
            path = root / f"folder-{number // FILES_A_FOLDER:04}" / f"file-{number:06}.txt"
            path.write_text(f"changed {nth}\n", encoding="utf-8")
        git(root, "commit", "--quiet", "--all", "--message=landed")
        tips.append(git(root, "rev-parse", "HEAD").strip())
    git(root, "branch", BRANCH)
    return tips
