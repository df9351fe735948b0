"""`make docs`: writes the parts of the documentation that are facts of the code, so that they cannot drift.

`docs/reference/help.md` is every `--help` page; the table of stops in `docs/exit-codes.md` comes from
`core.stops.StopReason`. `tests/test_docs.py` fails when what stands there is not what this program would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pitboss.cli.shared.group import pitboss
from pitboss.core.stops import StopReason

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parent
HELP = DOCS / "reference" / "help.md"
EXIT_CODES = DOCS / "exit-codes.md"
WIDTH = 88
BEGIN = "<!-- begin: written by docs/generate.py -->\n"
END = "<!-- end -->\n"
STOPS = {
    StopReason.EXHAUSTED: "every prompt has had all its runs",
    StopReason.DRAINED: "Ctrl-C, SIGTERM, SIGHUP or `pitboss stop`: the sessions in flight finished first",
    StopReason.ABORTED: "a second Ctrl-C or SIGTERM, or `pitboss stop --now`",
    StopReason.BUDGET: "a budget is used up, or there is a cost limit and a session's cost is unknown",
    StopReason.FAILURES: "as many sessions failed in a row as `consecutive_failure_limit` allows",
    StopReason.DEAD_END: (
        "no session can work: the login, the credit, the model or a permission is missing, or a usage limit"
        " or an outage lasts longer than `[limits] max_wait`"
    ),
    StopReason.INTERNAL: "a bug, a full disk, or a repository that no session can work in",
}


def main() -> None:
    """Write every generated page."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """What each generated page should hold."""
    return {
        HELP: help_page(),
        EXIT_CODES: between_marks(EXIT_CODES.read_text(encoding="utf-8"), stops_table()),
    }


def help_page() -> str:
    """Every command's `--help`, in the order in which `pitboss --help` lists them."""
    text = "# Help pages\n\nWhat `--help` prints for each command. Written by `make docs`.\n"
    for path, page in help_pages(pitboss, "pitboss", None):
        text += f"\n## {path}\n\n```\n{page.rstrip()}\n```\n"
    return text


def help_pages(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """The help of a command and of all below it, each with its full name."""
    context = click.Context(
        command, info_name=name, parent=parent, max_content_width=WIDTH, **command.context_settings
    )
    context.terminal_width = WIDTH
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            if found := command.get_command(context, child):
                yield from help_pages(found, child, context)


def stops_table() -> str:
    """Why a run can stop, and what follows from it."""
    rows = [
        "| why | in words | exit code | exit code if a session failed | final status |",
        "|---|---|---|---|---|",
    ]
    for stop in StopReason:
        codes = f"{stop.exit_code(any_failed=False)} | {stop.exit_code(any_failed=True)}"
        rows.append(f"| `{stop}` | {STOPS[stop]} | {codes} | `{stop.final_status}` |")
    return "\n".join(rows) + "\n"


def between_marks(page: str, text: str) -> str:
    """`page` with `text` between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{text}{END}{after}"


if __name__ == "__main__":
    main()
