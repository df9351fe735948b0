"""Tries agents before they get any work: whether they can write, run a command and end (SPEC 5, 8).

Each gets a small task in its own repository in a temporary folder, where it can do no harm. A word found only in its
environment proves that the command really ran. Where sessions have a sandbox, it works in one too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.table import build_agent, find_backend
from pitboss.core.agent import AgentOutcome, AgentRequest
from pitboss.core.config import Config
from pitboss.core.environment import NEVER_INHERITED, RUN_ID, SESSION_SEQ
from pitboss.core.measures import duration, spent
from pitboss.core.retry import dead_end
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.errors import StartError
from pitboss.git.scratch import make_repository, scratch
from pitboss.hosts.fencing import fence_trial
from pitboss.store.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.worker import Worker

PATIENCE_S = 180.0
MOST_USD = 1.0
"""What trying one agent may cost, if it reports its cost while it works."""

WRITTEN = "written.txt"
RAN = "ran.txt"
MARK = "PITBOSS_PROBE"
NO_SESSION = "0"

_TASK = f"""\
This only checks that you can work here on your own. Do these steps and nothing else; there is nothing to look at.

1. Write a file called {WRITTEN} in the current directory. Its whole content is this word: WORD
2. Run this shell command in the current directory: printenv {MARK} >{RAN}
3. Say that you are done, and stop.
"""
_SCRIPT = f"```sh\necho WORD >{WRITTEN}\nprintenv {MARK} >{RAN}\n```\n"
_NO_FAULT = (Reason.RATE_LIMITED, Reason.OVERLOADED)
"""A run waits until these pass."""

_CAN_WAIT = "it may be asking for a login, or whether to trust a folder: start the agent by hand once"


PROBE_THERE = "`pitboss doctor --probe` on the machine of a worker tries those that are there"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent did with its small task when asked to use `model`; `seconds` is how long it took."""

    agent: str
    model: str | None
    wrote: bool
    ran: bool
    outcome: AgentOutcome
    seconds: float

    @property
    def works(self) -> bool:
        """Whether it did everything an agent of its kind can do."""
        ran = self.ran or not find_backend(self.agent).runs_commands
        return self.wrote and ran and self.outcome.status is SessionStatus.OK

    @property
    def excused(self) -> bool:
        """Whether it failed for a reason that will pass, so that the trial proves nothing."""
        return not self.works and _kind(self.outcome) in _NO_FAULT

    @property
    def stopped(self) -> bool:
        """Whether a stop was requested."""
        return self.outcome.status is SessionStatus.ABORTED

    @property
    def finding(self) -> str:
        """What works, what does not and why, and what the trial cost, in a sentence."""
        usage = self.outcome.usage
        cost = spent(usage.cost_usd, known=usage.cost_known)
        took = ", ".join(filter(None, (self.outcome.model or self.model, cost, duration(self.seconds))))
        if self.works:
            commands = "runs commands" if self.ran else "runs no commands by itself"
            return f"{self.agent}: writes files, {commands} and ends cleanly ({took})"
        return f"{self.agent}: {', '.join(self._failures())} ({took})"

    @property
    def hint(self) -> str | None:
        """How to fix what does not work; None when there is nothing to do, or the reason already says it."""
        kind = _kind(self.outcome)
        if self.works or self.excused:
            return None
        if kind in (Reason.WALL_CLOCK, Reason.STALLED):
            return _CAN_WAIT
        return dead_end(Reason.PERMISSION_DENIED if kind is None else str(kind))

    def _failures(self) -> Iterator[str]:
        outcome = self.outcome
        done = [word for word, did in (("wrote a file", self.wrote), ("ran a command", self.ran)) if did]
        if done:
            yield f"it {' and '.join(done)}"
        if not self.wrote:
            yield "it did not write its file"
        if not self.ran and find_backend(self.agent).runs_commands:
            yield "it did not run its command"
        if outcome.status is SessionStatus.OK:
            yield f"although it ended normally, saying: {' '.join((outcome.text or 'nothing').split())[:200]}"
        else:
            yield f"it failed: {outcome.reason}"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What applies to all trials, which are for the repository at `root`.

    Their processes carry `run_id`; no trial may cost more than `max_cost_usd`.
    """

    config: Config
    root: Path
    run_id: str
    stop: Callable[[], StopRequest | None]
    max_cost_usd: float | None = None

    @property
    def most_usd(self) -> float:
        """The most that one trial may cost."""
        return MOST_USD if self.max_cost_usd is None else min(MOST_USD, self.max_cost_usd)


def announced(worker: Worker) -> str:
    """What to say before a trial, which may take a while."""
    return f"trying {worker}, for at most {PATIENCE_S:g} s"


def try_agent(worker: Worker, terms: Terms, folder: Path) -> Trial:
    """Give an agent its small task in a repository made below `folder`.

    Raises StartError when there is no such agent, or the repository or the sandbox cannot be made.
    """
    agent = build_agent(worker.agent, terms.config)
    word, mark = os.urandom(8).hex(), os.urandom(8).hex()
    place = Path(mkdtemp(prefix=f"{worker.agent}-", dir=folder))
    repository = make_repository(place)
    request = _request(worker, terms, repository, word, mark)
    exchange = Path(request.usage_file).parent
    exchange.mkdir()
    fence = fence_trial(terms.config, terms.root, repository, exchange, request.env, agent.folders(request))
    request = msgspec.structs.replace(request, fence=fence)
    began = monotonic()
    outcome = agent.run(request, on_start=_unheard, on_event=_unheard, stop=terms.stop)
    return Trial(
        agent=worker.agent,
        model=worker.model,
        wrote=_holds(repository / WRITTEN, word),
        ran=_holds(repository / RAN, mark),
        outcome=outcome,
        seconds=monotonic() - began,
    )


def _request(worker: Worker, terms: Terms, repository: Path, word: str, mark: str) -> AgentRequest:
    """The small task: to write `word`, and to run a command that finds `mark`."""
    place = repository.parent
    environ = {key: value for key, value in os.environ.items() if key not in NEVER_INHERITED}
    session = {
        RUN_ID: terms.run_id,
        SESSION_SEQ: NO_SESSION,
        MARK: mark,
        "GIT_CEILING_DIRECTORIES": str(place),
    }
    return AgentRequest(
        prompt_name="probe",
        text=_TASK.replace("WORD", word),
        body=_SCRIPT.replace("WORD", word),
        cwd=str(repository),
        env=environ | session,
        transcript=str(place / "transcript.log"),
        usage_file=str(place / "exchange" / "usage.json"),
        model=worker.model,
        max_seconds=PATIENCE_S,
        max_cost_usd=terms.most_usd,
    )


def require_working(workers: tuple[Worker, ...], terms: Terms, *, tell: Callable[[str], None]) -> None:
    """Try each agent and `tell` how it went; raises StartError when one does not work, or on a stop.

    An agent that cannot be tried because of a usage limit or a busy service passes: the run waits for that.
    """
    with scratch() as folder:
        for worker in workers:
            tell(announced(worker))
            trial = try_agent(worker, terms, folder)
            if trial.stopped:
                raise StartError("stopped while trying the agents; nothing was started")
            if not (trial.works or trial.excused):
                raise StartError(f"probe of {trial.finding}", hint=trial.hint)
            tell(f"probe of {trial.finding}")


def _holds(file: Path, word: str) -> bool:
    """Whether the file holds only `word`, apart from blanks."""
    return (read_regular(file, 1024) or b"").strip() == word.encode()


def _kind(outcome: AgentOutcome) -> Reason | None:
    word = (outcome.reason or "").partition(":")[0]
    return Reason(word) if word in list(Reason) else None


def _unheard(*_: object) -> None:
    """Ignores events: trials are not displayed."""
