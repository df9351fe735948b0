"""`pitboss history`: what the sessions of all runs came to, and what became of their changes (SPEC 8, 11)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.given import age, one_of
from pitboss.cli.shared.project import project_root
from pitboss.core.embed import one_line
from pitboss.core.history import FEW, By, Tally, grouped, summed, trend
from pitboss.core.measures import duration, spent
from pitboss.git.default_branch import default_tips
from pitboss.git.repo import Repo
from pitboss.landing.accepted import Findings, accepted_sessions
from pitboss.screens.columns import Column
from pitboss.screens.output import Ink, paint, say, write_json
from pitboss.screens.table import say_table
from pitboss.store.past_sessions import AllSessions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from pitboss.core.history import PastSession, SessionId

_COLUMNS = (
    Column("SESSIONS", 8, 12, right=True),
    Column("LANDED", 6, 12, right=True),
    Column("ACCEPTED", 8, 12, right=True),
    Column("BARREN", 6, 12, right=True, gives_way=4),
    Column("COST", 4, 12, right=True),
    Column("PER LANDED", 10, 12, right=True, gives_way=1),
    Column("PER ACCEPTED", 12, 12, right=True),
    Column("MEDIAN", 6, 12, right=True, gives_way=3),
    Column("TREND", 5, 20, gives_way=5),
    Column("FAILURES", 8, 1000, gives_way=2, grows=True),
)
_ALL = "all"


@command()
@option("--since", type=age, metavar="AGE", help="Only sessions that began no longer ago: 30d, 12h.")
@option(
    "--by",
    type=one_of(*map(str, By)),
    help="What to group sessions by: prompt (the default), agent, model or day.",
)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def history(*, since: timedelta | None, by: str | None, as_json: bool) -> None:
    """Show what the sessions of all runs cost and came to.

    A session is landed if its change got on its run's branch, and accepted if the change is on the default branch, as
    it was, rebased or squashed, and was not reverted. A session is barren if it landed nothing, though nobody stopped
    it and its agent's service answered.
    """
    past = AllSessions(project_root())
    sessions = _since(past.read(), since)
    accepted = _accepted(past, sessions)
    kind = By.PROMPT if by is None else By(by)
    groups = grouped(sessions, kind, _day)
    if as_json:
        write_json([summed(key, some, accepted) for key, some in groups])
    elif not groups:
        say("no sessions yet" if since is None else "no sessions since then")
    else:
        _print(kind, groups, accepted)


def _since(sessions: list[PastSession], since: timedelta | None) -> list[PastSession]:
    if since is None:
        return sessions
    first = (datetime.now(UTC) - since).timestamp()
    return [each for each in sessions if each.started >= first]


def _accepted(past: AllSessions, sessions: Sequence[PastSession]) -> frozenset[SessionId]:
    if not sessions:
        return frozenset()
    repo = Repo.discover(project_root(), purpose="history")
    findings = past.kept(Findings)
    tips = default_tips(repo, lambda: _began_on(past))
    accepted = accepted_sessions(repo, sessions, tips, lambda run_id: _base(past, run_id), findings)
    past.keep(findings)
    return accepted


def _began_on(past: AllSessions) -> str | None:
    """The branch that the latest run began on, of those that say so."""
    states = (past.state(run_id) for run_id in reversed(past.run_ids))
    return next((state.original_branch for state in states if state and state.original_branch), None)


def _base(past: AllSessions, run_id: str) -> str | None:
    state = past.state(run_id)
    return None if state is None else state.base_commit


def _day(moment: float) -> str:
    """The day of a time: here on a terminal, in UTC elsewhere, as all times."""
    zone = None if sys.stdout.isatty() else UTC
    return datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d")


def _print(by: By, groups: list[tuple[str, list[PastSession]]], accepted: frozenset[SessionId]) -> None:
    rows = [(summed(key, some, accepted), trend(some)) for key, some in groups]
    if len(groups) > 1:
        everything = [each for _, some in groups for each in some]
        rows.append((summed(_ALL, everything, accepted), trend(everything)))
    dropped = say_table((Column(by.upper(), 6, 30), *_COLUMNS), [_row(group, line) for group, line in rows])
    for line in _legend([group for group, _ in rows], trends="TREND" not in dropped):
        say(paint(line, Ink.FAINT))


def _row(group: Tally, line: str) -> tuple[str, ...]:
    few = "*" if group.is_small else ""
    return (
        one_line(group.key),
        f"{group.sessions}{few}",
        str(group.landed),
        str(group.accepted),
        str(group.barren),
        spent(group.cost_usd, known=group.cost_known),
        _per(group.cost_per_landed_usd, group, group.landed),
        _per(group.cost_per_accepted_usd, group, group.accepted),
        duration(group.median_s),
        line,
        ", ".join(f"{one_line(reason)} {count}" for reason, count in group.failures.items()),
    )


def _per(usd: float | None, group: Tally, changes: int) -> str:
    if changes == 0:
        return "-"
    return "unknown" if usd is None else spent(usd, known=group.cost_known)


def _legend(groups: Sequence[Tally], *, trends: bool) -> Iterator[str]:
    yield ""
    if trends:
        yield "trend: the share of sessions that landed, oldest first"
    if any(group.is_small for group in groups):
        yield f"*: fewer than {FEW} sessions, too few to go by"
    if not all(group.cost_known for group in groups):
        yield "+: the cost of some sessions is not known; it is at least this"
