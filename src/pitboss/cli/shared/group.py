"""The command line as click sees it; each command is imported only when it runs (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pitboss import __version__
from pitboss.cli.shared.commands import (
    COMMANDS,
    COMPLETION_VARIABLE,
    PURPOSE,
    SECTIONS,
    VERBOSE_HELP,
    VERSION_HELP,
    declared,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose commands come from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if there is none of that name."""
        found = declared(cmd_name)
        return None if found is None else found.as_click()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Look up the command; for a mistyped name, fail and suggest the closest one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from pitboss.core.fields import suggestion

            ctx.fail(f"there is no command '{name}'{suggestion(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names from the table alone; options as click does."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=summary)
            for name, summary in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands by section, from the table alone."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()), col_max=12)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=PURPOSE,
)
@click.version_option(__version__, message="pitboss %(version)s", help=VERSION_HELP)
@click.option("-v", "--verbose", is_flag=True, help=VERBOSE_HELP)
@click.pass_context
def pitboss(context: click.Context, verbose: bool) -> None:
    """Every command; the help page if none is given."""
    if verbose:
        from pitboss.cli.shared.failures import be_verbose

        be_verbose()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def answer(question: str) -> int:
    """Answer a shell that asks for completions; returns the exit code."""
    from click.shell_completion import shell_complete

    return shell_complete(pitboss, {}, "pitboss", COMPLETION_VARIABLE, question)
