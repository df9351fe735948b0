"""`pitboss show`: everything about one session, its diff, or its agent's output (SPEC 8)."""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from pitboss.cli.chosen import chosen_run
from pitboss.cli.output import fields, note, paint_status, say, write_diff, write_foreign, write_line
from pitboss.cli.project import project_root
from pitboss.core.embed import clean, one_line
from pitboss.core.measures import duration, spent, stamp
from pitboss.core.usage import CostSource
from pitboss.errors import CommandError
from pitboss.store.codec import encode_record
from pitboss.store.log import iter_records
from pitboss.store.opening import open_regular
from pitboss.store.paths import RunPaths, attempt_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.session import SessionRecord

_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv")
_CHUNK = 1 << 20
_PRICED_BY: dict[str, str] = {
    CostSource.AGENT: "as the agent reported it",
    CostSource.CONFIGURED: "tokens priced by [budgets.pricing]",
    CostSource.PRICE_TABLE: "tokens priced by the public table; `pitboss doctor` tells its date",
}


@click.command()
@click.argument("run_id")
@click.argument("seq", type=click.IntRange(min=1))
@click.option("--diff", "view", flag_value="diff", help="Print what it landed, else what was rescued of it.")
@click.option("--transcript", "view", flag_value="transcript", help="Print its agent's output.")
@click.option("--json", "view", flag_value="json", help="Print its record as JSON.")
@click.option("--raw", is_flag=True, help="Leave in what a terminal would act on, as into a file.")
def show(*, run_id: str, seq: int, view: str | None, raw: bool) -> None:
    """Show session SEQ of run RUN_ID (or the beginning of its id).

    What would move the cursor, set a title, reach the clipboard or hide text is shown as marks such as ^[, unless the
    output is a file, or with --raw.
    """
    repo = project_root()
    paths = RunPaths(repo, chosen_run(repo, run_id))
    if view == "transcript":
        write_foreign(_chunks(paths, seq), raw=raw)
        return
    record, base = _find(paths, seq)
    if view == "diff":
        _print_diff(repo, paths, record, base, raw=raw)
    elif view == "json":
        write_line(encode_record(record))
    else:
        _print(record)


def _find(paths: RunPaths, seq: int) -> tuple[SessionRecord, str | None]:
    """The session's record, and the commit that the session landed before it made, if any did."""
    landed = None
    for record in iter_records(paths.log):
        if record.seq == seq:
            return record, landed
        landed = record.commit or landed
    raise CommandError(
        f"run {paths.run_id} has no record of session {seq}",
        hint=f"`pitboss log {paths.run_id}` lists its sessions; one in flight has no record yet",
    )


def _print(record: SessionRecord) -> None:
    fields(_fields(record))
    say()
    say(clean(record.summary or "").strip())


def _fields(record: SessionRecord) -> Iterator[tuple[str, str]]:
    yield "session", f"session-{record.seq:04} of {one_line(record.run_id)}"
    yield "prompt", one_line(record.prompt)
    yield (
        "status",
        paint_status(str(record.status)) + (f": {one_line(record.reason)}" if record.reason else ""),
    )
    yield "started", stamp(record.started_at)
    yield "ended", stamp(record.ended_at)
    yield "duration", duration((record.ended_at - record.started_at).total_seconds())
    yield "agent", " ".join(one_line(name) for name in (record.agent, record.model) if name) or "(unknown)"
    if record.attempts > 1 or record.waited_s:
        yield "attempts", f"{record.attempts}, waited {duration(record.waited_s)}"
    yield "commit", one_line(record.commit or "(none)")
    for ref in record.rescue:
        yield "rescue", one_line(ref)
    tokens = record.tokens
    yield "tokens", f"{tokens.input + tokens.output} (input={tokens.input}, output={tokens.output})"
    for role, used in sorted(tokens.by_role.items()):
        yield f"  {one_line(role)}", f"{used.input + used.output} (input={used.input}, output={used.output})"
    if record.cache_read or record.cache_write:
        yield "cached", f"read={record.cache_read}, written={record.cache_write} (part of input)"
    yield "cost", _cost(record)
    yield "transcript", one_line(record.transcript_path)


def _cost(record: SessionRecord) -> str:
    cost = spent(record.cost_usd, known=record.cost_known)
    words = _PRICED_BY.get(record.cost_source or "")
    return f"{cost} ({words})" if words else cost


def _chunks(paths: RunPaths, seq: int) -> Iterator[bytes]:
    """The output of the session's attempts, piece by piece."""
    for path in _attempts(paths, seq):
        with _opened(paths, path, seq) as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _opened(paths: RunPaths, path: Path, seq: int) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError:
        raise CommandError(
            f"run {paths.run_id} has no transcript of session {seq}",
            hint='none is kept when no agent was started, or with `transcript_retention = "keep-none"`',
        ) from None


def _attempts(paths: RunPaths, seq: int) -> Iterator[Path]:
    """The transcripts of the session's attempts, one after the other."""
    yield paths.transcript(seq)
    later = (paths.transcript(seq, attempt_kind(nth)) for nth in count(2))
    yield from takewhile(Path.exists, later)


def _print_diff(
    repo_root: Path, paths: RunPaths, record: SessionRecord, landed: str | None, *, raw: bool
) -> None:
    from pitboss.git.repo import Repo

    repo = Repo.discover(repo_root, purpose="showing a diff")
    base = landed or _base_commit(repo_root, paths.run_id)
    tips = (record.commit,) if record.commit else record.rescue
    for tip in tips:
        since = f"{base or f'{tip}^'}...{tip}"
        write_diff(repo.git("diff", *_PLAIN, "--end-of-options", since, "--"), raw=raw)
    if not tips:
        note(f"session {record.seq} left no work behind")
    elif record.commit:
        for ref in record.rescue:
            note(f"more work was set aside: `pitboss rescue show {one_line(ref)}`")


def _base_commit(repo: Path, run_id: str) -> str | None:
    from pitboss.store.rundir import find_run

    state = find_run(repo, run_id).state
    return state.base_commit if state else None
