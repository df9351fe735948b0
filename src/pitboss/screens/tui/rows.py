"""What the rows of each table say; pure, so that only rows in sight need to be made (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.condition import Condition, condition
from pitboss.core.embed import one_line
from pitboss.core.events import Phase, StepKind
from pitboss.core.gauges import Used
from pitboss.core.measures import age, duration, spent, tokens
from pitboss.core.tone import CONDITION_TONES, SESSION_TONES
from pitboss.core.words.endings import why, word
from pitboss.core.words.phases import brief_words, flight_tone
from pitboss.screens.columns import Column
from pitboss.screens.lines import session_words
from pitboss.screens.output import Ink
from pitboss.screens.program import screen_command
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.measures import ClockFace
    from pitboss.core.needs import Need
    from pitboss.core.session import SessionRecord
    from pitboss.core.view import Flight
    from pitboss.store.catalogue import RunListing

FLIGHTS = (
    Column("#", 3, 6, right=True),
    Column("prompt", 6, 24),
    Column("agent", 6, 30, gives_way=5),
    Column("where", 4, 20, gives_way=6),
    Column("since", 5, 6, right=True),
    Column("phase", 6, 17),
    Column("tokens", 5, 7, right=True, gives_way=4),
    Column("cost", 7, 9, right=True, gives_way=3),
    Column("ago", 3, 10, right=True, gives_way=7),
    Column("last step", 24, 500, grows=True, gives_way=1),
)
SESSIONS = (
    Column("#", 3, 6, right=True),
    Column("status", 5, 7),
    Column("prompt", 6, 24),
    Column("took", 5, 6, right=True, gives_way=4),
    Column("tokens", 5, 7, right=True, gives_way=6),
    Column("cost", 7, 9, right=True, gives_way=3),
    Column("diff", 5, 13, right=True, gives_way=2),
    Column("agent", 6, 24, gives_way=7),
    Column("summary", 32, 500, grows=True, gives_way=1),
)
_COMMAND_WIDTH = 64
NEEDS = (
    Column("", 1, 1),
    Column("what", 20, 70),
    Column("command", 20, _COMMAND_WIDTH),
    Column("why", 24, 500, grows=True, gives_way=1),
)
NARROW_NEEDS = (Column("", 1, 1), Column("what", 40, 500, grows=True))
RUNS = (
    Column("state", 6, 10),
    Column("run", 21, 21),
    Column("sessions", 3, 8, right=True),
    Column("tokens", 5, 7, right=True, gives_way=4),
    Column("cost", 7, 10, right=True, gives_way=2),
    Column("updated", 8, 10, right=True, gives_way=1),
    Column("rotation", 7, 20, gives_way=3),
    Column("why", 16, 500, grows=True, gives_way=0),
)
_STEP = 500


def flight_cells(flight: Flight, now: datetime, clock: ClockFace) -> list[Piece]:
    """A session in flight: who, where, since when, its phase, what it has used, what its agent did last."""
    used = flight.tokens.input + flight.tokens.output
    since = duration(int((now - (flight.started_at or now)).total_seconds()))
    return [
        Piece(str(flight.seq), Ink.NAME),
        Piece(one_line(flight.prompt), Ink.STRONG),
        Piece(one_line(" ".join(filter(None, (flight.agent, flight.model)))), Ink.FAINT),
        Piece(whereabouts(flight), Ink.FAINT),
        Piece("" if flight.cut_short else since),
        Piece(brief_words(flight), TONE_INK[flight_tone(flight)]),
        Piece(tokens(used) if used else ""),
        Piece(spent(flight.cost_usd, known=flight.cost_known) if used or flight.cost_usd else ""),
        Piece("" if flight.step_at is None else age(flight.step_at, now).removesuffix(" ago"), Ink.FAINT),
        _step(flight, clock),
    ]


def whereabouts(flight: Flight) -> str:
    """Where a session in flight works: its worker, if it has one, and its slot."""
    return " ".join(filter(None, (one_line(flight.host or ""), place(flight.slot or ""))))


def place(name: str) -> str:
    """The name of a slot, without the folder that holds all of them."""
    return one_line(name).removeprefix("worktrees/")


def _step(flight: Flight, clock: ClockFace) -> Piece:
    if flight.phase is Phase.WAIT and not flight.cut_short:
        until = f" until {clock(flight.until)}" if flight.until else ""
        return Piece(
            f"for {one_line(flight.detail, _STEP)}{until}" if flight.detail else until.strip(), Ink.WARN
        )
    retrying = "retrying: " if flight.what is StepKind.RETRY else ""
    return Piece(f"{retrying}{one_line(flight.step, _STEP)}" or one_line(flight.detail, _STEP), Ink.FAINT)


def session_cells(record: SessionRecord, diff: DiffStat | None) -> list[Piece]:
    """A session that has ended: how, how long, how much, how much it changed, its first words."""
    used = record.tokens.input + record.tokens.output
    tone = SESSION_TONES[record.status]
    free = record.cost_known and not used and not record.cost_usd
    return [
        Piece(str(record.seq), Ink.FAINT),
        Piece(str(record.status), TONE_INK[tone]),
        Piece(one_line(record.prompt), Ink.STRONG),
        Piece(duration((record.ended_at - record.started_at).total_seconds())),
        Piece(tokens(used) if used else ""),
        Piece("" if free else spent(record.cost_usd, known=record.cost_known)),
        _change(record, diff),
        Piece(one_line(" ".join(filter(None, (record.agent, record.model)))), Ink.FAINT),
        Piece(session_words(record)),
    ]


def _change(record: SessionRecord, diff: DiffStat | None) -> Piece:
    if record.rescue:
        return Piece("rescued", Ink.WARN)
    return Piece("" if diff is None else f"+{diff.added} -{diff.removed}", Ink.FAINT)


def run_cells(run: RunListing, live: str | None, now: datetime, clock: ClockFace) -> list[Piece]:
    """A run of the repository: its condition, what it used, when it last changed, why it ended."""
    state, how = run.state, condition(run.state, live=run.run_id == live)
    head = [
        Piece(word(how), TONE_INK[CONDITION_TONES[how]]),
        Piece(one_line(run.run_id), Ink.STRONG if how is Condition.LIVE else None),
    ]
    if state is None:
        return [*head, *[Piece("")] * 5, Piece(one_line(run.problem or ""), Ink.BAD)]
    started = max((session.seq for session in state.in_flight), default=0)
    used = Used.by(state.budget_consumed, cost_known=state.cost_known, started=started)
    free = used.cost_known and not used.cost_usd
    return [
        *head,
        Piece(str(used.sessions)),
        Piece(tokens(used.tokens) if used.tokens else ""),
        Piece("" if free else spent(used.cost_usd, known=used.cost_known)),
        Piece(age(state.last_updated_at, now), Ink.FAINT),
        Piece(one_line(state.plan_name), Ink.FAINT),
        Piece("" if how is Condition.LIVE else one_line(run.problem or why(state.stop_reason, clock))),
    ]


class NeedLine(NamedTuple):
    """A line about what needs somebody: all of it, or where it takes two lines, one of them."""

    need: Need
    is_command: bool = False


def need_lines(needs: Sequence[Need], *, narrow: bool) -> list[NeedLine]:
    """One line each; two where the terminal is narrow."""
    return [NeedLine(need, second) for need in needs for second in ((False, True) if narrow else (False,))]


def has_long_command(needs: Iterable[Need]) -> bool:
    """Whether a command would be cut beside the rest: one that is called by a long path, for example."""
    return any(len(_command(need)) > _COMMAND_WIDTH for need in needs)


def _command(need: Need) -> str:
    return f"$ {screen_command(need.command)}"


def need_cells(line: NeedLine, *, narrow: bool) -> list[Piece]:
    """What needs somebody, and the command that comes next."""
    need, ink = line.need, TONE_INK[line.need.kind.tone]
    command = Piece(_command(need), Ink.NAME)
    if line.is_command:
        return [Piece(" "), command]
    if narrow:
        return [Piece("!", ink), Piece(": ".join(filter(None, (need.what, need.why))))]
    return [Piece("!", ink), Piece(need.what), command, Piece(need.why, Ink.FAINT)]
