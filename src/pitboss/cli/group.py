"""The table of commands; each is imported only when it is run, so that start-up stays fast (SPEC 8)."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from pitboss import __version__

COMPLETION_VARIABLE = "_PITBOSS_COMPLETE"


class Row(NamedTuple):
    """Where a command lives, and what `--help` says of it without importing it."""

    section: str
    module: str
    attribute: str
    summary: str


COMMANDS = {
    "init": Row("Set up", "init", "init", "Prepare this repository for pitboss."),
    "demo": Row("Set up", "demo", "demo", "Grind a throw-away repository, to see what happens."),
    "prompts": Row("Set up", "prompts", "prompts", "List, create, check and show prompts."),
    "doctor": Row("Set up", "doctor", "doctor", "Check git, agents, configuration, prompts, lock and disk."),
    "grind": Row("Run", "grind", "grind", "Run agents over your prompts until told to stop."),
    "stop": Row("Run", "stop", "stop", "Ask the live run to finish."),
    "skip": Row("Run", "skip", "skip", "Skip the session that runs now."),
    "runs": Row("Look", "runs", "runs", "List every run, newest first."),
    "status": Row("Look", "status", "status", "Show one run: state, budgets used, in flight, last sessions."),
    "log": Row("Look", "log", "log", "Print a run's sessions, one line each."),
    "events": Row("Look", "events", "events", "Print what happened in a run, one JSON line each."),
    "show": Row("Look", "show", "show", "Show one session: its record, diff or transcript."),
    "rescue": Row("Repair", "rescue", "rescue", "List, show and apply rescued work."),
    "repair": Row("Repair", "repair", "repair", "Bring a crashed run's files in order."),
    "completion": Row("Shell", "completion", "completion", "Print a shell completion script."),
}


class LazyGroup(click.Group):
    """A group whose commands come from COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command; None when there is none of that name."""
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        command: click.Command = getattr(import_module(f"pitboss.cli.{row.module}"), row.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; a mistyped one is refused with the name that is nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from pitboss.core.fields import suggestion

            ctx.fail(f"there is no command '{name}'{suggestion(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names from the table alone; options as click does."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[name].summary) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands by section, from the table alone."""
        for section in dict.fromkeys(row.section for row in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, row.summary) for name, row in COMMANDS.items() if row.section == section],
                    col_max=12,
                )


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="pitboss %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Say more about errors.")
@click.pass_context
def pitboss(context: click.Context, verbose: bool) -> None:  # noqa: ARG001 - read from the context by main
    """Run coding agents on your repository overnight, and lose nothing."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
