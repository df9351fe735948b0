"""`pitboss completion`: the script that teaches a shell to complete pitboss commands (SPEC 8)."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pitboss.cli.commands import COMPLETION_VARIABLE
from pitboss.cli.output import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a shell completion script.

    \b
    bash: pitboss completion bash > ~/.local/share/bash-completion/completions/pitboss
    zsh:  pitboss completion zsh > "${fpath[1]}/_pitboss"
    fish: pitboss completion fish > ~/.config/fish/completions/pitboss.fish
    """
    maker = get_completion_class(shell)
    if maker is None:
        raise AssertionError(f"click completes {shell}")
    say(maker(context.find_root().command, {}, "pitboss", COMPLETION_VARIABLE).source())
