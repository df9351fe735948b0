"""What `pitboss doctor` examines, one function per subject: a working tree in, findings out (SPEC 8)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.backend import Cost
from pitboss.agents.installation import Fitness, Installation, find_installation, rooted
from pitboss.agents.paid_keys import paid_keys
from pitboss.agents.table import agent_names, find_backend
from pitboss.cli.shared.chosen import name_latest_run
from pitboss.cli.shared.verdicts import Check, Health, ok, problem, warning
from pitboss.core.cluster import is_elsewhere
from pitboss.core.condition import Condition, condition
from pitboss.core.config import AgentSettings, Config, SandboxMode
from pitboss.core.embed import one_line
from pitboss.core.environment import agent_environment
from pitboss.core.slash_commands import unexpanded
from pitboss.core.worker import fixer, implementer
from pitboss.errors import InputError, PitbossError, StartError
from pitboss.git.errors import NotARepository
from pitboss.git.repo import Repo
from pitboss.git.version import installed_git
from pitboss.git.whereabouts import FROM_BARE, has_unusable, is_bare
from pitboss.landing.readiness import refuse_unclean
from pitboss.pricing import table_version
from pitboss.screens.output import clock
from pitboss.store.catalogue import list_runs, run_of
from pitboss.store.config import load_config
from pitboss.store.disorder import left_in_tree
from pitboss.store.git_dir import lock_paths
from pitboss.store.library import configured_prompts_dir, discover_prompts, load_inputs
from pitboss.store.lock import lock_holder
from pitboss.trust import GRANT, SANDBOX, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.core.sandbox.seen import Seen
    from pitboss.git.status import TreeStatus
    from pitboss.trust import Trust

LITTLE_DISK = 1 << 30
HARDLY_ANY_DISK = 100 << 20

_LOOKING = "looking at the repository"
_NO_PROMPT_USES_IT = (
    "no prompt uses it; queued tasks and `pitboss grind -p` do, unless they name another with --agent"
)
_ELSEWHERE = "sessions run on workers, which have agents of their own"


def examine(root: Path) -> Iterator[Check]:
    """Yield every finding about the working tree at `root`; a failed examination is a finding too."""
    for subject, examination in _EXAMINATIONS.items():
        try:
            yield from examination(root)
        except PitbossError as error:
            yield Check(
                subject=subject, health=Health.PROBLEM, finding=one_line(error.message), hint=error.hint
            )


def _git(root: Path) -> Iterator[Check]:
    found = installed_git(str(root))
    if found.said is None:
        yield problem("git", "git cannot be run", hint="install git 2.38 or newer")
    elif found.is_too_old:
        yield problem("git", f"{found.said} is too old", hint="install git 2.38 or newer")
    else:
        yield ok("git", found.said)


def _repository(root: Path) -> Iterator[Check]:
    try:
        repo = Repo.discover(root, purpose=_LOOKING)
        status = repo.status()
    except NotARepository as error:
        bare = is_bare(root)
        if has_unusable(root) and not bare:
            name_latest_run(error, root)
            yield problem(
                "repository", one_line(error.message.removeprefix(f"{_LOOKING}: ")), hint=error.hint
            )
            return
        yield problem(
            "repository",
            f"{root} is {'a bare' if bare else 'not in a git'} repository",
            hint=FROM_BARE if bare else "run `git init`, then commit",
        )
        return
    if status.unborn:
        yield problem("repository", "there is no commit yet", hint="commit something first")
        return
    yield _tree(root, repo, status)
    if status.pitboss_visible:
        yield warning("repository", ".pitboss is not ignored by git", hint="`pitboss init` fixes that")


def _tree(root: Path, repo: Repo, status: TreeStatus) -> Check:
    """Whether a run could start in the tree; what a live run changes in it is for nobody to put away."""
    where = f"on {one_line(status.branch)}" if status.branch else "on a detached HEAD"
    if lock_holder(*lock_paths(root)) is not None:
        return ok("repository", f"{where}, in use by a live run")
    try:
        refuse_unclean(repo, status)
    except StartError as error:
        return warning("repository", f"{where}, but {error.message}", hint=left_in_tree(root) or error.hint)
    return ok("repository", f"{where}, clean")


def _inputs(root: Path) -> Iterator[Check]:
    try:
        inputs = load_inputs(root, home=Path.home())
    except InputError as error:
        for mistake in error.problems:
            yield problem("files", str(mistake))
        return
    for text in inputs.config.warnings:
        yield warning("files", one_line(text))
    for double in inputs.library.shadowed:
        yield warning("files", f"{double.path} is not used: {double.used_path} defines {double.name}")
    for name in inputs.rotation.prompt_names:
        if odd := unexpanded(inputs.library.prompts[name]):
            yield warning("files", one_line(str(odd)))
    if not inputs.rotation.entries:
        yield warning("files", "no prompts discovered", hint="`pitboss prompts new NAME` makes one")
    else:
        names = ", ".join(inputs.rotation.prompt_names)
        yield ok("files", f"rotation {inputs.rotation.name}: {one_line(names, 200)}")


def _agents(root: Path) -> Iterator[Check]:
    """Agents that a run would use here must be installed; others are listed only if installed."""
    config, used = _used(root)
    for name in sorted(used - set(agent_names())):
        yield problem("agent", f"there is no agent called {name}", hint=f"one of {', '.join(agent_names())}")
    trust = look(root, config, os.environ)
    yield from _withheld(trust)
    env = agent_environment(os.environ, remove=config.env_remove, keep=config.env_keep)
    placed = rooted(config, root).agents
    for name in agent_names():
        settings = placed.get(name, AgentSettings())
        asking = not trust.withheld(name, working=False)
        found = find_installation(name, settings, environ=env, root=root, asking=asking)
        if found.problem is None:
            yield _agent_found(found, used=name in used, asked=asking)
        elif name in used and is_elsewhere(config.workers.address):
            yield warning("agent", one_line(f"{name}: {found.problem} here"), hint=_ELSEWHERE)
        elif name in used:
            yield problem("agent", one_line(f"{name}: {found.problem}"), hint=found.hint)
        elif name == config.backend:
            yield warning("agent", one_line(f"{name}: {found.problem}"), hint=_NO_PROMPT_USES_IT)
        if found.problem is None and name in used:
            yield from _refusals(name, settings, env)
            yield from _silent_about_cost(name)
    for keys in paid_keys(sorted(used & {*agent_names()}), config, os.environ):
        yield warning("agent", one_line(keys.finding), hint=keys.hint)


def _used(root: Path) -> tuple[Config, set[str]]:
    """The configuration, and the agents that a run would use: those of its prompts, and those that stand in for them.

    Without a prompt it is the configured one; while the configuration is wrong, only those that prompts name are known.
    """
    try:
        config, known = load_config(root), True
    except InputError:
        config, known = Config(), False
    prompts = discover_prompts(root, configured_prompts_dir(root, config, Path.home()), Path.home()).prompts
    metas = [doc.meta for doc in prompts.values()]
    if not known:
        return config, {meta.agent for meta in metas if meta.agent}
    fixers = (fixer(config, meta) for meta in metas if meta.verify)
    workers = [*(implementer(config, meta) for meta in metas), *filter(None, fixers)]
    return config, {*({each.agent for each in workers} or {config.backend}), *config.limits.fallback}


def _workers(root: Path) -> Iterator[Check]:
    from pitboss.cli.shared.worker_checks import look_at_workers

    config, used = _used(root)
    if config.workers.address is not None:
        yield from look_at_workers(config.workers.address, config, used & {*agent_names()})


def _refusals(name: str, settings: AgentSettings, env: dict[str, str]) -> Iterator[Check]:
    refused = find_backend(name).root_refusal(settings, env, uid=os.geteuid())
    if refused is not None:
        yield (problem if refused.sure else warning)("agent", refused.finding, hint=refused.hint)


def _silent_about_cost(name: str) -> Iterator[Check]:
    if find_backend(name).cost is Cost.UNKNOWN:
        hint = "a budget in dollars ends a run after its first session; limit sessions or time instead"
        yield warning("agent", f"{name} does not say what it uses: its cost is unknown", hint=hint)


def _withheld(trust: Trust) -> Iterator[Check]:
    """What does not run because it came with the repository."""
    if trust.new:
        listed = one_line(", ".join(map(str, trust.new)), 300)
        yield warning("trust", f"not run, because {trust.reason}: {listed}", hint=GRANT)


def _agent_found(found: Installation, *, used: bool, asked: bool) -> Check:
    """An installed agent; one too old to be understood is a problem only if a run would use it."""
    if not asked:
        return ok("agent", one_line(f"{found.name}: found, not run ({found.path})"))
    words = {
        Fitness.KNOWN: ", known to work",
        Fitness.UNTRIED: f", untried; {found.known_version} is known to work",
        Fitness.TOO_OLD: f", too old; {found.known_version} is known to work",
        None: "",
    }[found.fitness]
    log_in = find_backend(found.name).log_in if used else None
    how = f"; to log in: {log_in}" if log_in else ""
    finding = one_line(f"{found.name}: {found.version or 'found'}{words} ({found.path}){how}")
    if found.fitness is not Fitness.TOO_OLD:
        return ok("agent", finding)
    return problem("agent", finding, hint=found.hint) if used else warning("agent", finding, hint=found.hint)


def _prices(_root: Path) -> Iterator[Check]:
    """The public price table: the older it is, the less reliable its prices are."""
    table = table_version()
    checked = f", last checked {table.checked}" if table.checked else ""
    yield ok("prices", f"public price table: genai-prices {table.release}{checked}")


def _lock(root: Path) -> Iterator[Check]:
    holder = lock_holder(*lock_paths(root))
    if holder is None:
        yield ok("lock", "no run is live")
    else:
        since = f" since {clock(holder.started)}" if holder.started else ""
        yield ok(
            "lock", f"run {holder.run_id or '(unknown)'} is live: pid {holder.pid} on {holder.host}{since}"
        )


def _runs(root: Path) -> Iterator[Check]:
    holder = lock_holder(*lock_paths(root))
    live = None if holder is None else run_of(root, holder)
    for run in list_runs(root):
        how = condition(run.state, live=live == run.run_id)
        if how is Condition.CRASHED:
            hint = f"`pitboss grind --resume {run.run_id}` recovers it and goes on"
            yield warning("run", f"{run.run_id} crashed", hint=hint)
        elif how is Condition.UNREADABLE:
            hint = f"`pitboss repair {run.run_id} --dry-run` shows what can be rebuilt"
            yield warning("run", one_line(f"{run.run_id}: {run.problem}"), hint=hint)


def _disk(root: Path) -> Iterator[Check]:
    disk = os.statvfs(root)
    free = disk.f_bavail * disk.f_frsize
    found = f"{free / (1 << 30):.1f} GiB free"
    if free < HARDLY_ANY_DISK:
        yield problem("disk", found, hint="a run needs room for transcripts and commits")
    elif free < LITTLE_DISK:
        yield warning("disk", found, hint="transcripts of a long run may need more")
    else:
        yield ok("disk", found)


def _notify(root: Path) -> Iterator[Check]:
    """Who is told of a run; sends nothing."""
    from pitboss.cli.shared.notifying import addresses_of, obstacles

    try:
        settings = load_config(root).notify
    except InputError:
        return  # `files` has said so
    if settings.is_unset:
        return
    found = addresses_of(settings, os.environ)
    wrong = list(obstacles(settings, found))
    for text in wrong:
        yield warning("notify", one_line(text))
    if not wrong:
        named = [each.name for each in found.values()]
        listed = ", ".join([*named, *(["[notify] command"] if settings.command else [])])
        yield ok("notify", one_line(f"{listed}; `pitboss notify test` tries them"))


def _sandbox(root: Path) -> Iterator[Check]:
    """Tries the sandbox in a scratch repository: bubblewrap even while it is off, but no wrapper that is new here."""
    from pitboss.sandbox_trial import try_sandbox

    try:
        config = load_config(root)
    except InputError:
        return  # `files` has said so
    settings = config.sandbox
    trust = look(root, config, os.environ)
    if trust.withheld(SANDBOX):
        yield warning("sandbox", f"[sandbox] command: not tried, because {trust.reason}", hint=GRANT)
    elif settings.is_fenced:
        yield _seen(try_sandbox(settings, os.environ))
    else:
        seen = try_sandbox(msgspec.structs.replace(settings, mode=SandboxMode.BWRAP), os.environ)
        yield ok("sandbox", f"off; {seen.finding}")


def _seen(seen: Seen) -> Check:
    health = Health.PROBLEM if not seen.works else Health.OK if seen.holds else Health.WARNING
    return Check(subject="sandbox", health=health, finding=one_line(seen.finding, 400), hint=seen.hint)


_EXAMINATIONS: dict[str, Callable[[Path], Iterator[Check]]] = {
    "git": _git,
    "repository": _repository,
    "files": _inputs,
    "agent": _agents,
    "workers": _workers,
    "sandbox": _sandbox,
    "prices": _prices,
    "notify": _notify,
    "lock": _lock,
    "run": _runs,
    "disk": _disk,
}
