"""`pitboss show`: everything about one session, its diff, or its agent's output (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import chosen_run, require_whole
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import whole
from pitboss.cli.shared.project import project_root
from pitboss.core.embed import clean, one_line
from pitboss.core.patterns import lazy_pattern
from pitboss.core.words.session_facts import Fact, session_facts
from pitboss.errors import CommandError
from pitboss.screens.output import clock, fields, note, say, write_diff, write_foreign, write_line
from pitboss.screens.tones import paint_tone
from pitboss.store.catalogue import readable_log
from pitboss.store.log import iter_records
from pitboss.store.opening import is_folder, open_regular
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from pitboss.store.session_files import Printed, has_transcript, session_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.session import SessionRecord

_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv")
_CHUNK = 1 << 20
_NUMBER = lazy_pattern(r"\d{1,6}")
"""The longest word that counts as a session number: a useful prefix of a run's id is longer."""

_PRINTED_BY = {"transcript": Printed.AGENT, "verify": Printed.VERIFY, "hooks": Printed.HOOKS}


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
    if view in _PRINTED_BY:
        write_foreign(_chunks(paths, seq or _find(repo, paths, None)[0].seq, view), raw=raw)
        return
    record, base = _find(repo, paths, seq)
    if view == "diff":
        _print_diff(repo, paths, record, base, raw=raw)
    elif view == "json":
        write_line(encode_record(record))
    else:
        _print(record, kept=has_transcript(session_files(paths, record.seq)))


def _find(repo: Path, paths: RunPaths, seq: int | None) -> tuple[SessionRecord, str | None]:
    """The record of session `seq`, or of the last one, and the commit that landed before it, if any."""
    before, landed, found = None, None, None
    for record in iter_records(readable_log(repo, paths.run_id)):
        if seq in (None, record.seq):
            found, before = record, landed
        landed = record.commit or landed
    if found is not None:
        return found, before
    require_whole(repo, paths.run_id)
    raise CommandError(
        f"run {paths.run_id} has no record of {'a session yet' if seq is None else f'session {seq}'}",
        hint=f"`pitboss log {paths.run_id}` lists its sessions; one in flight has no record yet",
    )


def _print(record: SessionRecord, *, kept: bool) -> None:
    fields((fact.name, _painted(fact)) for fact in session_facts(record, clock, kept=kept))
    say()
    say(clean(record.summary or "").strip())


def _painted(fact: Fact) -> str:
    return (
        paint_tone(fact.toned, fact.tone) + fact.value.removeprefix(fact.toned) if fact.toned else fact.value
    )


def _chunks(paths: RunPaths, seq: int, view: str) -> Iterator[bytes]:
    """Yield what the agent, the tests or the hooks of a session printed, attempt by attempt, in chunks."""
    found = [file for file in session_files(paths, seq) if file.by is _PRINTED_BY[view]]
    if not found:
        raise _nothing_kept(paths, seq, view)
    for each in found:
        try:
            file = open_regular(each.path)
        except OSError:
            raise _nothing_kept(paths, seq, view) from None
        with file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _nothing_kept(paths: RunPaths, seq: int, view: str) -> CommandError:
    what, when = {
        "transcript": ("transcript", "no agent was started"),
        "verify": ("output of tests", "its prompt does not set `verify`"),
        "hooks": ("output of hooks", "no hook ran"),
    }[view]
    why = f'none is kept when {when}, with `transcript_retention = "keep_none"`, or after `pitboss gc`'
    gone = "it was removed with the run's directory; only the run's records are kept"
    return CommandError(
        f"run {paths.run_id} has no {what} of session {seq}", hint=why if is_folder(paths.root) else gone
    )


def _print_diff(
    repo_root: Path, paths: RunPaths, record: SessionRecord, landed: str | None, *, raw: bool
) -> None:
    from pitboss.git.merge import span
    from pitboss.git.repo import Repo

    repo = Repo.discover(repo_root, purpose="showing a diff")
    base = landed or _base_commit(repo_root, paths.run_id)
    tips = (record.commit,) if record.commit else record.rescue
    for tip in tips:
        since = span(repo, base or f"{tip}^", tip)
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
