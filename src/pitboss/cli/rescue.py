"""`pitboss rescue`: lists, shows and applies work that was set aside instead of landed (SPEC 8)."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import click

from pitboss.cli import completing
from pitboss.cli.chosen import chosen_run
from pitboss.cli.output import columns, note, say, when, write_diff, write_json
from pitboss.cli.project import project_root
from pitboss.core.embed import clean, one_line
from pitboss.errors import CommandError
from pitboss.git import rescue as refs
from pitboss.git.repo import Repo

_SUBJECT = re.compile(r"\[pitboss/grind\] rescue of (\S+) session-\d+ \(.*\)")
"""Of a commit that pitboss made: all but the prompt stands in the ref."""


@click.group()
def rescue() -> None:
    """List, show and apply rescued work."""


@rescue.command()
@click.argument("run_id", required=False, shell_complete=completing.run_ids)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(*, run_id: str | None, as_json: bool) -> None:
    """List rescue refs: those of RUN_ID, or all."""
    run = chosen_run(project_root(), run_id) if run_id is not None else None
    found = refs.list_rescued(_repo(), run)
    if as_json:
        write_json([_as_json(rescued) for rescued in found])
    elif not found:
        say("nothing was rescued")
    else:
        _print(found, datetime.now(UTC))


@rescue.command()
@click.argument("ref", shell_complete=completing.rescued)
@click.option("--raw", is_flag=True, help="Leave in what a terminal would act on, as into a file.")
def show(*, ref: str, raw: bool) -> None:
    """Show the commits and the changes under REF: a full name, RUN_ID/session-NNNN, or the beginning of that."""
    repo = _repo()
    write_diff(refs.show(repo, refs.find(repo, ref)), raw=raw)


@rescue.command()
@click.argument("ref", shell_complete=completing.rescued)
def apply(*, ref: str) -> None:
    """Bring REF's changes into the working tree, uncommitted; nothing is changed when they conflict."""
    repo = _repo()
    rescued = refs.find(repo, ref)
    done = refs.apply(repo, rescued)
    if done.conflicts:
        for path in done.conflicts:
            note(f"conflict: {one_line(path)}")
        raise CommandError(
            f"{rescued.short_name} conflicts with this working tree; nothing was changed",
            hint=f"`git merge {rescued.ref}` lets you resolve it by hand",
        )
    for path in done.changed:
        say(f"changed {one_line(path)}")
    say(f"applied {rescued.short_name}: {_files(len(done.changed))} changed, nothing committed")


def _repo() -> Repo:
    return Repo.discover(Path(os.getcwd()), purpose="looking for rescued work")  # noqa: PTH109


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _print(found: tuple[refs.Rescued, ...], now: datetime) -> None:
    rows = [
        (r.short_name, r.oid[:7], when(r.made_at, now), _SUBJECT.sub(r"of \1", one_line(clean(r.subject))))
        for r in found
    ]
    widths = columns(rows)
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _as_json(rescued: refs.Rescued) -> dict[str, object]:
    return {
        "ref": rescued.ref,
        "name": rescued.short_name,
        "commit": rescued.oid,
        "subject": rescued.subject,
        "made_at": rescued.made_at,
    }
