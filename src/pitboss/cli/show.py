"""`pitboss show`: everything about one session, its diff, or its agent's output (SPEC 8)."""

from __future__ import annotations

from itertools import chain, count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import whole
from pitboss.cli.shared.project import project_root
from pitboss.core.embed import clean, one_line
from pitboss.core.measures import duration, spent
from pitboss.core.patterns import lazy_pattern
from pitboss.core.tone import SESSION_TONES
from pitboss.core.usage import CostSource
from pitboss.errors import CommandError
from pitboss.screens.output import (
    clock,
    fields,
    note,
    paint_tone,
    say,
    write_diff,
    write_foreign,
    write_line,
)
from pitboss.store.catalogue import readable_log
from pitboss.store.codec import encode_record
from pitboss.store.log import iter_records
from pitboss.store.opening import is_folder, open_regular
from pitboss.store.paths import RunPaths, attempt_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.session import SessionRecord

_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv")
_CHUNK = 1 << 20
_NUMBER = lazy_pattern(r"\d{1,6}")
"""The longest word that counts as a session number: a useful prefix of a run's id is longer."""

_OUTPUTS = ("transcript", "verify", "hooks")
_PRICED_BY: dict[str, str] = {
    CostSource.AGENT: "as the agent reported it",
    CostSource.CONFIGURED: "tokens priced by [budgets.pricing]",
    CostSource.PRICE_TABLE: "tokens priced by the public table; `pitboss doctor` shows its date",
}


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@argument("seq", type=whole(1), required=False)
@option(
    "--diff",
    "view",
    flag_value="diff",
    help="Print the changes it landed, else those that were rescued.",
)
@option("--transcript", "view", flag_value="transcript", help="Print its agent's output.")
@option("--verify", "view", flag_value="verify", help="Print the output of each run of the tests.")
@option("--hooks", "view", flag_value="hooks", help="Print the output of its hooks.")
@option("--json", "view", flag_value="json", help="Print its record as JSON.")
@option("--raw", is_flag=True, help="Print control characters as they are.")
def show(*, run_id: str | None, seq: int | None, view: str | None, raw: bool) -> None:
    """Show a session: SEQ of the run RUN_ID (or a prefix of its id).

    Without SEQ, the latest session of the run; without RUN_ID, the live run, else the latest.

    Control characters that would move the cursor, set a title, reach the clipboard or hide text are shown as marks
    such as ^[, unless the output is a file, or with --raw.
    """
    if seq is None and run_id is not None and _NUMBER.fullmatch(run_id):
        seq, run_id = int(run_id), None
    repo = project_root()
    paths = RunPaths(repo, chosen_run(repo, run_id))
    if view in _OUTPUTS:
        write_foreign(_chunks(paths, seq or _find(repo, paths, None)[0].seq, view), raw=raw)
        return
    record, base = _find(repo, paths, seq)
    if view == "diff":
        _print_diff(repo, paths, record, base, raw=raw)
    elif view == "json":
        write_line(encode_record(record))
    else:
        _print(record)


def _find(repo: Path, paths: RunPaths, seq: int | None) -> tuple[SessionRecord, str | None]:
    """The record of session `seq`, or of the last one, and the commit that landed before it, if any."""
    before, landed, found = None, None, None
    for record in iter_records(readable_log(repo, paths.run_id)):
        if seq in (None, record.seq):
            found, before = record, landed
        landed = record.commit or landed
    if found is not None:
        return found, before
    raise CommandError(
        f"run {paths.run_id} has no record of {'a session yet' if seq is None else f'session {seq}'}",
        hint=f"`pitboss log {paths.run_id}` lists its sessions; one in flight has no record yet",
    )


def _print(record: SessionRecord) -> None:
    fields(_fields(record))
    say()
    say(clean(record.summary or "").strip())


def _fields(record: SessionRecord) -> Iterator[tuple[str, str]]:
    yield "session", f"session-{record.seq:04} of {one_line(record.run_id)}"
    yield "prompt", one_line(record.prompt)
    why = f": {one_line(record.reason)}" if record.reason else ""
    yield "status", f"{paint_tone(record.status, SESSION_TONES[record.status])}{why}"
    yield "started", clock(record.started_at)
    yield "ended", clock(record.ended_at)
    yield "duration", duration((record.ended_at - record.started_at).total_seconds())
    if who := " ".join(one_line(name) for name in (record.agent, record.model) if name):
        yield "agent", who
    if record.attempts > 1 or record.waited_s:
        yield "attempts", f"{record.attempts}, waited {duration(record.waited_s)}"
    yield "commit", one_line(record.commit or "(none)")
    for ref in record.rescue:
        yield "rescued", one_line(ref)
    if record.hidden:
        yield "hidden", one_line(record.hidden)
    yield from _spent(record)
    yield "transcript", one_line(record.transcript_path)


def _spent(record: SessionRecord) -> Iterator[tuple[str, str]]:
    """Tokens and cost, leaving out roles that used none."""
    tokens = record.tokens
    if tokens.input or tokens.output:
        yield "tokens", f"{tokens.input + tokens.output} (input={tokens.input}, output={tokens.output})"
    for role, used in sorted(tokens.by_role.items()) if len(tokens.by_role) > 1 else ():
        yield f"  {one_line(role)}", f"{used.input + used.output} (input={used.input}, output={used.output})"
    if record.cache_read or record.cache_write:
        yield "cached", f"read={record.cache_read}, written={record.cache_write} (part of input)"
    if cost := spent(record.cost_usd, known=record.cost_known) if _has_cost(record) else "":
        words = _PRICED_BY.get(record.cost_source or "")
        yield "cost", f"{cost} ({words})" if words else cost


def _has_cost(record: SessionRecord) -> bool:
    return bool(record.cost_usd or not record.cost_known or record.tokens.input or record.tokens.output)


def _chunks(paths: RunPaths, seq: int, view: str) -> Iterator[bytes]:
    """Yield what the agent, the tests or the hooks of a session printed, attempt by attempt, in chunks."""
    for path in _files(paths, seq, view):
        with _opened(paths, path, seq, view) as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _opened(paths: RunPaths, path: Path, seq: int, view: str) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError:
        what, when = {
            "transcript": ("transcript", "no agent was started"),
            "verify": ("output of tests", "its prompt does not set `verify`"),
            "hooks": ("output of hooks", "no hook ran"),
        }[view]
        why = f'none is kept when {when}, or with `transcript_retention = "keep_none"`'
        gone = "it was removed with the run's directory; only the run's records are kept"
        raise CommandError(
            f"run {paths.run_id} has no {what} of session {seq}",
            hint=why if is_folder(paths.root) else gone,
        ) from None


def _files(paths: RunPaths, seq: int, view: str) -> Iterator[Path]:
    """The first file, whether or not it exists, then those of later attempts."""
    if view == "hooks":
        return iter((paths.transcript(seq, "hooks"),))
    later = (
        paths.transcript(seq, attempt_kind(nth + 1) if view == "transcript" else f"verify-{nth:02}")
        for nth in count(1)
    )
    first = paths.transcript(seq, "verify" if view == "verify" else "")
    return chain([first], takewhile(Path.exists, later))


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
            note(f"more work was rescued: `pitboss rescue show {one_line(ref)}`")


def _base_commit(repo: Path, run_id: str) -> str | None:
    from pitboss.store.catalogue import find_run

    state = find_run(repo, run_id).state
    return state.base_commit if state else None
