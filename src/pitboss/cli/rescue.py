"""`pitboss rescue`: lists, shows, applies and drops work that was set aside instead of landed (SPEC 8)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run
from pitboss.cli.shared.declare import DeclaredGroup, argument, option
from pitboss.cli.shared.ending import ends_its_children
from pitboss.cli.shared.project import project_root
from pitboss.core.embed import clean, one_line
from pitboss.core.measures import counted
from pitboss.core.needs import after_applying
from pitboss.core.patterns import lazy_pattern
from pitboss.core.settling import in_words
from pitboss.errors import CommandError
from pitboss.git.repo import Repo
from pitboss.landing import rescue_refs as refs
from pitboss.landing import rescued_work
from pitboss.landing.kept_rescues import note_dropped
from pitboss.screens.output import columns, note, say, when, write_diff, write_json

_SUBJECT = lazy_pattern(r"\[pitboss/grind\] rescue of (\S+) session-\d+ \(.*\)")
"""The subject of a commit that pitboss made; apart from the prompt, the ref says all of this."""

_APPLIED = "applied"
_LONGEST_WHY = 160
"""Characters."""


rescue = DeclaredGroup("rescue", "List, show, apply and drop rescued work.")


@rescue.command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(*, run_id: str | None, as_json: bool) -> None:
    """List rescue refs: those of RUN_ID, or all."""
    run = chosen_run(project_root(), run_id) if run_id is not None else None
    repo = _repo()
    found = refs.list_rescued(repo, run)
    why, applied = rescued_work.reasons(repo, found), rescued_work.applied_refs(repo, found)
    if as_json:
        write_json([_as_json(each, why[each.ref], applied=each.ref in applied) for each in found])
    elif not found:
        say("nothing was rescued")
    else:
        _print(found, why, applied)


@rescue.command()
@argument("ref", shell_complete=completing.rescued)
@option("--raw", is_flag=True, help="Print control characters as they are.")
def show(*, ref: str, raw: bool) -> None:
    """Show the commits and changes under REF: a full name, RUN_ID/session-NNNN, or a prefix of that."""
    repo = _repo()
    write_diff(rescued_work.show(repo, rescued_work.find(repo, ref)), raw=raw)


@rescue.command()
@argument("ref", shell_complete=completing.rescued)
def apply(*, ref: str) -> None:
    """Bring REF's changes into the working tree, uncommitted; a conflict changes nothing."""
    repo = _repo()
    rescued = rescued_work.find(repo, ref)
    with ends_its_children():
        done = rescued_work.apply(repo, rescued)
    if done.conflicts:
        for path in done.conflicts:
            note(f"conflict: {one_line(path)}")
        raise CommandError(
            f"{rescued.short_name} conflicts with this working tree; nothing was changed",
            hint=f"`git merge {rescued.ref}` lets you resolve it by hand",
        )
    for path in done.changed:
        say(f"changed {one_line(path)}")
    say(f"applied {rescued.short_name}: {counted(len(done.changed), 'file')} changed, nothing committed")
    note(f"next: {after_applying(rescued.short_name)}")


@rescue.command()
@argument("ref", shell_complete=completing.rescued)
def drop(*, ref: str) -> None:
    """Delete the rescue ref REF, and print how to get its work back by its commit id.

    REF is a full name or RUN_ID/session-NNNN; a prefix is not enough.
    """
    repo = _repo()
    rescued = rescued_work.find(repo, ref)
    if ref not in (rescued.ref, rescued.short_name):
        raise CommandError(
            f"{ref} is only the beginning of {rescued.short_name}", hint="give the full name to drop it"
        )
    note_dropped(repo, rescued)
    refs.drop(repo, rescued)
    say(f"dropped {rescued.short_name}, {rescued.oid[:7]}: {_subject(rescued)}")
    say(f"until git collects garbage, `git update-ref {rescued.ref} {rescued.oid}` brings it back")


def _repo() -> Repo:
    return Repo.discover(Path(os.getcwd()), purpose="looking for rescued work")  # noqa: PTH109


def _subject(rescued: refs.Rescued) -> str:
    return _SUBJECT.sub(r"of \1", one_line(clean(rescued.subject)))


def _print(found: tuple[refs.Rescued, ...], why: dict[str, str | None], applied: frozenset[str]) -> None:
    now = datetime.now(UTC)
    rows = [(r.short_name, r.oid[:7], when(r.made_at, now), _subject(r)) for r in found]
    widths = columns(rows)
    for rescued, row in zip(found, rows, strict=True):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        reason = one_line(in_words(why[rescued.ref] or ""), _LONGEST_WHY)
        if said := "; ".join(filter(None, (_APPLIED if rescued.ref in applied else "", reason))):
            say(f"    {said}")


def _as_json(rescued: refs.Rescued, why: str | None, *, applied: bool) -> dict[str, object]:
    return {
        "ref": rescued.ref,
        "name": rescued.short_name,
        "commit": rescued.oid,
        "subject": rescued.subject,
        "made_at": rescued.made_at,
        "why": why,
        "applied": applied,
    }
