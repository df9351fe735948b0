"""What a shell can complete besides commands and options: runs, prompts, refs, agents, tags (SPEC 8).

Each is the `shell_complete` of a parameter. What cannot be read completes to nothing: the middle of a command line is
no place for an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    from pitboss.store.library import Library


def _completing(
    names: Callable[[click.Context], Iterable[str]],
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
        try:
            return [name for name in dict.fromkeys(names(ctx)) if name.startswith(incomplete)]
        except Exception:
            return []

    return complete


def _run_ids(_ctx: click.Context) -> Iterable[str]:
    from pitboss.cli.shared.project import project_root
    from pitboss.store.paths import runs_dir

    return sorted((path.name for path in runs_dir(project_root()).iterdir() if path.is_dir()), reverse=True)


def _library(ctx: click.Context) -> Library:
    from pitboss.cli.shared.project import project_root
    from pitboss.store.config import load_config
    from pitboss.store.library import configured_prompts_dir, discover_prompts

    root, home = project_root(), Path.home()
    given = ctx.params.get("prompts_dir")
    folder = given or configured_prompts_dir(root, load_config(root), home)
    return discover_prompts(root, folder, home)


def _prompts(ctx: click.Context) -> Iterable[str]:
    return _library(ctx).prompts


def _tags(ctx: click.Context) -> Iterable[str]:
    return sorted({tag for doc in _library(ctx).prompts.values() for tag in doc.meta.tags})


def _rotations(_ctx: click.Context) -> Iterable[str]:
    from pitboss.cli.shared.project import project_root
    from pitboss.store.paths import rotations_dir

    return sorted(path.stem for path in rotations_dir(project_root()).glob("*.toml"))


def _agents(_ctx: click.Context) -> Iterable[str]:
    from pitboss.agents.table import agent_names

    return agent_names()


def _rescued(_ctx: click.Context) -> Iterable[str]:
    from pitboss.git.repo import Repo
    from pitboss.landing.rescue_refs import list_rescued

    return [rescued.short_name for rescued in list_rescued(Repo.discover(Path.cwd()))]


def _branches(_ctx: click.Context) -> Iterable[str]:
    from pitboss.git.repo import Repo

    listed = Repo.discover(Path.cwd()).git(
        "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags"
    )
    return listed.decode(errors="replace").split()


def _in_flight(_ctx: click.Context) -> Iterable[str]:
    from pitboss.cli.shared.steering import LiveRun

    return [str(flight.seq) for flight in LiveRun().view.in_flight]


def _queued(_ctx: click.Context) -> Iterable[str]:
    from pitboss.cli.shared.project import project_root
    from pitboss.store.queue import waiting

    return [task.id for task in waiting(project_root()).tasks]


run_ids = _completing(_run_ids)
prompts = _completing(_prompts)
tags = _completing(_tags)
rotations = _completing(_rotations)
agents = _completing(_agents)
rescued = _completing(_rescued)
branches = _completing(_branches)
in_flight = _completing(_in_flight)
queued = _completing(_queued)
