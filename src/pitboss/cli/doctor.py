"""`pitboss doctor`: checks in advance everything that could keep a run from starting or ending well (SPEC 8)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pitboss.cli.shared.checkup import examine
from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.failures import INTERRUPTED
from pitboss.cli.shared.project import project_root
from pitboss.cli.shared.verdicts import Check, Health, warning
from pitboss.screens.output import Ink, note, paint, say, write_json
from pitboss.screens.program import with_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pitboss.core.config import Config
    from pitboss.core.worker import Worker
    from pitboss.guardian import StopChannel
    from pitboss.preflight import Terms, Trial

_INK = {Health.OK: Ink.GOOD, Health.WARNING: Ink.WARN, Health.PROBLEM: Ink.BAD}


@command()
@option("--json", "as_json", is_flag=True, help="Print JSON.")
@option("--probe", is_flag=True, help="Give each agent a small task too; this may cost a little.")
@option("--trust", is_flag=True, help="Allow the agents that this repository brings, from now on.")
def doctor(*, as_json: bool, probe: bool, trust: bool) -> int:
    """Check git, the repository, agents, configuration, prompts, lock and disk; exit 1 if something is wrong.

    With --probe, each agent that a run would use writes a file and runs a command in a temporary repository. Agents
    that a repository's config.toml names, or that are inside it, do not run until you have used the repository:
    with `init`, `grind` or --trust.
    """
    root = project_root()
    if trust:
        _trust(root)
    if probe:
        return _probe(root, as_json=as_json)
    return _report(list(examine(root)), as_json=as_json)


def _trust(root: Path) -> None:
    from pitboss.store.config import load_config
    from pitboss.trust import look

    found = look(root, load_config(root), os.environ)
    found.grant()
    for program in found.new:
        note(f"trusted: {program}")


def _report(checks: Sequence[Check], *, as_json: bool) -> int:
    healthy = all(check.health is not Health.PROBLEM for check in checks)
    if as_json:
        write_json({"ok": healthy, "checks": checks})
    else:
        _print(checks)
    return 0 if healthy else 1


def _print(checks: Sequence[Check]) -> None:
    for check in checks:
        say(f"{paint(f'{check.health:<7}', _INK[check.health])}  {check.subject:<10}  {check.finding}")
        if check.hint is not None:
            say(f"{'':<21}{paint('hint:', Ink.NAME)} {with_calls(check.hint, sys.stdout)}")


def _probe(root: Path, *, as_json: bool) -> int:
    """Report, and try the agents under a guardian: whichever process is killed, nothing is left behind (SPEC 1.4)."""
    from secrets import token_hex

    from pitboss.cli.shared.guarded import guarded
    from pitboss.git.scratch import scratch

    run_id = f"probe-{token_hex(8)}"
    with scratch() as folder:

        def examined(channel: StopChannel) -> int:
            checks = [*examine(root), *_trials(root, folder, run_id, channel)]
            return INTERRUPTED if channel.level() else _report(checks, as_json=as_json)

        return guarded(examined, run_id)


def _trials(root: Path, folder: Path, run_id: str, channel: StopChannel) -> Iterator[Check]:
    """Yield a finding for each agent that a run would use, until a stop is requested."""
    from pitboss.agents.installation import rooted
    from pitboss.core.stops import StopRequest
    from pitboss.errors import PitbossError
    from pitboss.preflight import PROBE_THERE, Terms, announced, try_agent
    from pitboss.process.holding import require_sandbox
    from pitboss.trust import GRANT, SANDBOX, look

    def stop() -> StopRequest | None:
        return StopRequest.ABORT if channel.level() else None

    try:
        workers, config, most = _used(root)
        terms = Terms(config=rooted(config, root), root=root, run_id=run_id, stop=stop, max_cost_usd=most)
        require_sandbox(config.sandbox, os.environ)
        trust = look(root, config, os.environ)
        for worker in workers:
            if trust.withheld(worker.agent) or trust.withheld(SANDBOX):
                yield warning("probe", f"{worker.agent}: not tried, because {trust.reason}", hint=GRANT)
            elif missing := _only_on_workers(worker.agent, terms):
                yield warning("probe", f"{worker.agent}: not tried: {missing} here", hint=PROBE_THERE)
            elif not channel.level():
                note(announced(worker))
                yield _tried(try_agent(worker, terms, folder))
    except PitbossError as error:
        yield Check(subject="probe", health=Health.PROBLEM, finding=error.message, hint=error.hint)


def _only_on_workers(name: str, terms: Terms) -> str | None:
    """What is not installed of an agent that sessions start on workers alone, which may be other machines."""
    from pitboss.agents.installation import find_installation
    from pitboss.core.cluster import is_elsewhere
    from pitboss.core.config import AgentSettings

    if not is_elsewhere(terms.config.workers.address):
        return None
    settings = terms.config.agents.get(name, AgentSettings())
    return find_installation(name, settings, root=terms.root, asking=False).problem


def _used(root: Path) -> tuple[tuple[Worker, ...], Config, float | None]:
    """The agents that a run would start, the config, and the cost cap; without prompts, the configured agent."""
    from pitboss.core.session import IMPLEMENTER
    from pitboss.core.worker import Worker
    from pitboss.errors import InputError, StartError
    from pitboss.resolve import Options, resolve_mission
    from pitboss.store.config import load_config

    try:
        mission = resolve_mission(root, Options())
    except InputError:
        raise
    except StartError:
        config = load_config(root)
        worker = Worker(config.backend, config.models.get(IMPLEMENTER))
        return (worker,), config, config.grind.budgets.max_cost_usd
    return mission.workers, mission.config, mission.caps.max_cost_usd


def _tried(trial: Trial) -> Check:
    health = Health.OK if trial.works else Health.WARNING if trial.excused else Health.PROBLEM
    return Check(subject="probe", health=health, finding=trial.finding, hint=trial.hint)
