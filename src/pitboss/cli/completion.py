"""`pitboss completion`: the script that teaches a shell to complete pitboss commands (SPEC 8)."""

from __future__ import annotations

from pitboss.cli.shared.commands import COMPLETION_VARIABLE
from pitboss.cli.shared.declare import argument, command
from pitboss.cli.shared.given import one_of
from pitboss.screens.output import say


@command()
@argument("shell", type=one_of("bash", "zsh", "fish"))
def completion(*, shell: str) -> None:
    """Print a shell completion script.

    \b
    bash: pitboss completion bash > ~/.local/share/bash-completion/completions/pitboss
    zsh:  pitboss completion zsh > "${fpath[1]}/_pitboss"
    fish: pitboss completion fish > ~/.config/fish/completions/pitboss.fish
    """
    from click.shell_completion import get_completion_class

    from pitboss.cli.shared.group import pitboss

    maker = get_completion_class(shell)
    if maker is None:
        raise AssertionError(f"click completes {shell}")
    say(maker(pitboss, {}, "pitboss", COMPLETION_VARIABLE).source())
