"""Every key of the TUI, once: bindings, the line at the bottom, the help page and the documentation come from here."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Group(Enum):
    """What a key is for, as the help page groups them."""

    MOVE = "Move"
    LOOK = "Look"
    STEER = "Steer a live run; each asks first"
    OTHER = "Other"


class Key(NamedTuple):
    """A key. `bound` is textual's name for it, `shown` what people read; `brief` is for the line at the bottom."""

    bound: str
    shown: str
    action: str
    words: str
    group: Group
    brief: str = ""


KEYS = (
    Key("j,down", "j ↓", "", "next row", Group.MOVE),
    Key("k,up", "k ↑", "", "previous row", Group.MOVE),
    Key("space,pagedown", "space PgDn", "", "a screenful down; PgUp: up", Group.MOVE),
    Key("g,home", "g G", "", "first and last row", Group.MOVE),
    Key("tab", "tab", "part(1)", "next part of the screen; shift+tab: the one before", Group.MOVE, "part"),
    Key("enter", "enter", "", "open what the cursor is on", Group.MOVE, "open"),
    Key("escape", "esc", "app.back", "back; from a run to the list of all runs", Group.MOVE, "back"),
    Key("slash", "/", "filter", "show only rows with these words; esc ends it", Group.LOOK, "filter"),
    Key("d", "d", "look('diff')", "what the session changed", Group.LOOK, "diff"),
    Key("t", "t", "look('transcript')", "what its agent said and did, live", Group.LOOK, "transcript"),
    Key("p", "p", "app.pause", "pause: no new session starts; again: go on", Group.STEER, "pause"),
    Key("s", "s", "app.stop(False)", "stop when the sessions in flight have ended", Group.STEER, "stop"),
    Key(
        "S",
        "S",
        "app.stop(True)",
        "stop now: agents are ended, their work is rescued",
        Group.STEER,
        "stop now",
    ),
    Key("x", "x", "app.skip", "skip the session in flight under the cursor", Group.STEER, "skip"),
    Key("plus", "+ -", "app.cap(1)", "raise or lower a cap", Group.STEER, "cap"),
    Key("n", "n", "app.task", "queue a task; without a live run, for the next one", Group.STEER, "task"),
    Key("a", "a", "app.apply", "apply rescued work to the working tree, uncommitted", Group.STEER, "apply"),
    Key("question_mark", "?", "app.help", "this page", Group.OTHER, "help"),
    Key("q", "q", "app.leave", "quit; the run goes on", Group.OTHER, "quit"),
)
