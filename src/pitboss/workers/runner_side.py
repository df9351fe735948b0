"""The runner's side of sessions on workers: what they need of this machine, and what they left on theirs (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.config import Config
    from pitboss.core.events import Observer
    from pitboss.git.packs import Parcel
    from pitboss.git.repo import Repo
    from pitboss.landing.git_trouble import RepositoryMonitor
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.paths import RunPaths


class RunnerSide(NamedTuple):
    """Where a run is at home; `emit` hears what happens to it."""

    repo: Repo
    branch: RunBranch
    paths: RunPaths
    monitor: RepositoryMonitor
    config: Config
    emit: Observer


class WorkLeft(NamedTuple):
    """What a session left on its worker, and what keeps it here: `take` gets its commits, and returns their refs."""

    run_id: str
    seq: int
    attempt: int
    take: Callable[[Sequence[str], Parcel], tuple[str, ...]]
