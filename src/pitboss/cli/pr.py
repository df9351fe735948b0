"""`pitboss pr`: pushes the run branch and opens one pull request for it, or brings that up to date (SPEC 8, 11)."""

from __future__ import annotations

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import argument, command, option


@command()
@argument("run_id", required=False, shell_complete=completing.run_ids)
@option(
    "--base",
    metavar="BRANCH",
    shell_complete=completing.branches,
    help="The branch to merge into; default: the one that the run began on.",
)
def pr(*, run_id: str | None, base: str | None) -> None:
    """Push the run branch and open a pull request for it by `gh`; update the one there is.

    The remote, the text and whether it is a draft are in [git] of .pitboss/config.toml.
    """
    from pathlib import Path

    from pitboss.cli.shared.chosen import chosen_run
    from pitboss.cli.shared.ending import ends_its_children
    from pitboss.cli.shared.pull_request import in_words, pull_request
    from pitboss.git.repo import Repo
    from pitboss.screens.output import say

    repo = Repo.discover(Path.cwd(), purpose="opening a pull request")
    with ends_its_children():
        made = pull_request(repo, chosen_run(repo.root, run_id), base=base)
    say(in_words(made))
