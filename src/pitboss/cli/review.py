"""`pitboss review`: goes through what a run landed, riskiest first, and keeps what you think of it (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import argument, command, option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.core.review import Mark
    from pitboss.screens.reviewing import Reviewed

_SUMMARY_CHARS = 100
_CLEAR = "clear"


@command(asks_click=True)
@argument("words", nargs=-1, metavar="[RUN_ID | mark SEQ accept|leave|clear]")
@option("--run", "of_run", metavar="RUN_ID", shell_complete=completing.run_ids, help="The run of `mark`.")
@option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def review(*, words: tuple[str, ...], of_run: str | None, as_json: bool) -> None:
    """Go through the landed sessions of a run, riskiest first: RUN_ID, else the live run, else the latest.

    On a terminal `y` accepts a session and `n` leaves it out of `pitboss land`; `?` shows all keys. Elsewhere, and with
    --json, the list is printed. `review mark SEQ accept|leave|clear` marks a session from a script.
    """
    from click import UsageError

    if words[:1] == ("mark",):
        if as_json or len(words) != 3:
            raise UsageError("give `mark` the number of a session and one of accept, leave, clear")
        _mark(of_run, words[1], words[2])
        return
    if len(words) > 1:
        raise UsageError(f"Got unexpected extra arguments ({' '.join(words[1:])})")
    _review(*words or (of_run,), as_json=as_json)


def _review(requested: str | None, *, as_json: bool) -> None:
    import sys

    from pitboss.cli.shared.chosen import chosen_run, require_whole
    from pitboss.cli.shared.desk import RepositoryDesk
    from pitboss.cli.shared.extras import has_terminal, need_screens
    from pitboss.cli.shared.project import project_root
    from pitboss.screens import reviewing
    from pitboss.screens.output import write_json
    from pitboss.store.paths import RunPaths
    from pitboss.store.review import read_marks

    root = project_root()
    run_id = chosen_run(root, requested)
    shown = not as_json and sys.stdout.isatty() and has_terminal()
    if shown:
        need_screens("review", instead="; `pitboss review | cat` prints the list")
    require_whole(root, run_id)
    desk = RepositoryDesk(root)
    found = reviewing.to_review(root, run_id, desk)
    marks = read_marks(RunPaths(root, run_id))
    if as_json:
        write_json([reviewing.as_json(each, marks) for each in found])
    elif not shown or not found:
        _print(run_id, found, marks)
    else:
        _go_through(root, run_id, found)


def _go_through(root: Path, run_id: str, found: Sequence[Reviewed]) -> None:
    import signal

    import click

    from pitboss.cli.shared.desk import RepositoryDesk
    from pitboss.screens.tui.review_app import ReviewApp
    from pitboss.store.paths import RunPaths

    def edit(text: str) -> None:
        # Ctrl-C is the editor's, which gets it as well.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            click.edit(text, extension=".diff", require_save=False)
        finally:
            signal.signal(signal.SIGINT, before)

    app = ReviewApp(RunPaths(root, run_id), found, RepositoryDesk(root), edit)
    app.show()
    if app.failure is not None:
        raise app.failure


def _print(run_id: str, found: Sequence[Reviewed], marks: dict[int, Mark]) -> None:
    from pitboss.core.embed import one_line
    from pitboss.screens.output import columns, say
    from pitboss.screens.reviewing import LEVEL_TONES, MARK_WORDS
    from pitboss.screens.tones import paint_tone

    if not found:
        say(f"run {run_id} has landed nothing")
        return
    rows = [
        (
            str(each.seq),
            str(each.risk.level),
            MARK_WORDS[marks[each.seq]] if each.seq in marks else "-",
            one_line(each.record.prompt),
            one_line(each.summary, _SUMMARY_CHARS),
        )
        for each in found
    ]
    widths = columns(rows)
    for each, row in zip(found, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0], cells[1] = row[0].rjust(widths[0]), paint_tone(cells[1], LEVEL_TONES[each.risk.level])
        say("  ".join(cells).rstrip())
        say(f"{' ' * widths[0]}  {one_line('; '.join(each.risk.texts))}")


def _mark(requested: str | None, number: str, word: str) -> None:
    from click import UsageError

    from pitboss.cli.shared.chosen import chosen_run
    from pitboss.cli.shared.project import project_root
    from pitboss.core.digits import number_in
    from pitboss.core.review import Mark
    from pitboss.errors import CommandError
    from pitboss.screens.output import say
    from pitboss.screens.reviewing import MARK_WORDS
    from pitboss.store.catalogue import readable_log
    from pitboss.store.log import iter_records
    from pitboss.store.paths import RunPaths
    from pitboss.store.review import set_mark

    seq = number_in(number)
    if word not in (*Mark, _CLEAR) or seq is None:
        raise UsageError(f"{number} {word}: give the number of a session and one of accept, leave, clear")
    root = project_root()
    run_id = chosen_run(root, requested)
    found = next((each for each in iter_records(readable_log(root, run_id)) if each.seq == seq), None)
    if found is None or found.commit is None:
        raise CommandError(
            f"run {run_id} has no record of session {seq}"
            if found is None
            else f"session {seq} of run {run_id} landed nothing",
            hint=f"`pitboss review {run_id} --json` lists what did",
        )
    mark = None if word == _CLEAR else Mark(word)
    set_mark(RunPaths(root, run_id), seq, mark)
    say(f"session {seq} of run {run_id}: {'no mark' if mark is None else MARK_WORDS[mark]}")
