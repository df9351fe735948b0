"""One attack on the sandbox: what a hostile agent does, and how its harm is seen from outside.

To add an attack, add an entry to `ATTACKS` of the module in `tests/sandbox/attacks/` that its family belongs to:

    "writes-home": Attack("write a file into HOME", "echo x >$HOME/planted", harm="[ -e $HOME/planted ]", ...),

All attacks of a mode are made by one session of one run, one after the other; after each, `harm` is looked for outside.
Both scripts know these variables:

    $REPO     the user's repository            $BESIDE   a folder beside it, with a file `precious` and a repository
    $MEET     a folder that the configuration makes writable, where the test meets the session
    $LOOT     what the attack printed          $RUN      the run directory
    $HIDDEN   a folder that the configuration hides, with a file `secret`
    $VICTIMS  pids outside: the runner, its guardian, and, in slots, an agent that works beside the attack
    $THERE    the working copy of that other agent (slots only)
    $MARK     a word of this scene's alone, for names of files and processes

Whatever is secret in this scene holds the word SECRET. An attack whose success only itself can see prints HARM.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

IN_PLACE, SLOTS = MODES = ("in-place", "worktree")
SEEN = "grep -q -e SECRET -e HARM $LOOT"
"""The attack printed what it should not have seen, or says that it has done harm."""


class Judged(StrEnum):
    """When its harm is looked for."""

    AT_ONCE = "at once"
    AFTERWARDS = "when the run is over"


class Session(StrEnum):
    """Which of the run's sessions makes the attack: they start in the order of their names."""

    FIRST = "attack"
    NEXT = "next"


@dataclass(frozen=True)
class Attack:
    """What an agent does, what harm would come of it, and what this sandbox does about it."""

    tries: str
    """What the attack tries: a row of the table in docs/sandbox.md, after "to"."""
    script: str
    _: KW_ONLY
    why: str
    """Why it is stopped, or why not: the same row."""
    harm: str = SEEN
    """A condition of the shell's that holds, outside, if the attack succeeded."""
    stopped: bool = True
    """Whether the sandbox stops it."""
    judged: Judged = Judged.AT_ONCE
    session: Session = Session.FIRST
    plant: str = ""
    """What the first session leaves for an attack by the next."""
    network: str = "open"
    """The `network` setting under which it is made."""
    modes: tuple[str, ...] = MODES
    undo: str = ""
    """Undoes the harm, outside, so that the attacks after it find the scene as it was."""
    fault: str = ""
    """What does the harm instead of `script`, outside, where the attack fails even with the sandbox off."""
    possible: str = "true"
    """A condition of the shell's: with the sandbox off, this machine lets the attack succeed."""
