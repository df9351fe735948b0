"""One hostile act: a shell script for an agent, and what may be said of it afterwards.

To add an act, add an entry to `ACTS` of the module in `tests/hostile/acts/` that its topic belongs to, or make a new
module there with an `ACTS` of its own; every module is found. An entry is usually one line:

    "removes-the-git-file": Act("rm -rf .git"),

The script runs as a session's agent, in the user's tree (in-place) or in a working copy (parallel, worktree), after
it has written `act.txt`. What else it writes and has to be kept goes into `keeps`, as text that a file must hold.
Its environment has PITBOSS_*, and these:

    $REPO      the user's repository          $RUN     the run directory
    $BESIDE    a folder beside the repository that nothing may change, with a file `precious` and a repository `other`
    $SCRATCH   a folder that the act may use

Then a well-behaved session `later` runs, in parallel a `neighbour` beside the act too. `tests/hostile/judge.py` says
what must hold; an act whose own doing shows in what is compared names that in `touches`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

IN_PLACE, PARALLEL, WORKTREE = MODES = ("in-place", "parallel", "worktree")
AGENT = "git -c user.name=agent -c user.email=agent@local"
COMMIT = f"git add -A; {AGENT} commit -qm own"
"""A commit as an agent makes one, whose machine has no author set."""


@dataclass(frozen=True)
class Act:
    """What an agent does, and what is true of it."""

    script: str
    _: KW_ONLY
    before: str = ""
    """What the user did in the repository before the run: a script, with the same variables."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that pitboss is started with; {repo}, {beside} and {scratch} are replaced."""
    grind: str = ""
    """More keys of `[grind]`."""
    more: str = ""
    """More tables of config.toml."""
    modes: tuple[str, ...] = MODES
    keeps: tuple[str, ...] = ()
    """Texts that the act wrote into files, `act.txt` apart; each must be found again."""
    touches: tuple[str, ...] = ()
    """Names of facts (see `judge.facts`) that the act itself changes and that nobody has to put back."""
    ends: tuple[str, ...] = ()
    """How its session may end: status, or `status: reason`; a beginning is enough. Empty: anyhow."""
    told: str = ""
    """Words that pitboss must have said on stderr."""
    codes: tuple[int, ...] = (0, 1)
    """Exit codes that are sensible."""
    goes_on: bool = True
    """Whether the run must go on to its end."""
