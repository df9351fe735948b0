"""The pull request of a run, for `pr` and for `grind --pr` (SPEC 5, 11)."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.cli.shared.ending import heed, ignore
from pitboss.core.stops import RunStatus
from pitboss.core.text.pull_request import BODY_LIMIT
from pitboss.core.text.sessions import HEADER, sessions_md_entry
from pitboss.errors import PitbossError
from pitboss.landing.pull_request import PullRequest, publish
from pitboss.screens.output import note, say
from pitboss.screens.plain import warning
from pitboss.store.catalogue import read_state
from pitboss.store.config import load_config
from pitboss.store.files import read_regular
from pitboss.store.log import iter_records
from pitboss.store.paths import RunPaths
from pitboss.store.review import left_out

if TYPE_CHECKING:
    from pitboss.cli.shared.background import Background
    from pitboss.git.repo import Repo

FAILED = 6
"""Exit code of `grind --require-pr` without a pull request."""

_NO_RESULT = (4, 70)
"""Exit codes of runs that were refused or failed through an error, which matters more."""

_STOPS = (signal.SIGINT, signal.SIGTERM)

_MOST_READ = 4 * BODY_LIMIT
"""Bytes: a character has at most four."""


def pull_request(repo: Repo, run_id: str, *, base: str | None = None) -> PullRequest:
    """Push the branch of the run, and open its pull request or bring it up to date. Raises PitbossError."""
    paths, settings = RunPaths(repo.root, run_id), load_config(repo.root).pull_request
    run = read_state(paths)
    report = read_regular(paths.report_markdown, _MOST_READ) if settings.body == "report" else None
    text = report or read_regular(paths.markdown, _MOST_READ)
    if text is None:
        body = HEADER + "".join(map(sessions_md_entry, iter_records(paths.log)))
    else:
        body = text.decode(errors="ignore")
    made = publish(repo, run, body, settings, base=base)
    _tell_of_left_out(paths)
    return made


def _tell_of_left_out(paths: RunPaths) -> None:
    """The branch is pushed as it is, whatever a person thinks of its sessions."""
    with suppress(PitbossError):
        if seqs := sorted(left_out(paths)):
            which = f"session{'' if len(seqs) == 1 else 's'} {', '.join(map(str, seqs))}"
            told = f"left out in review, yet in the pull request: {which}"
            note(warning(f"{told}; `pitboss land {paths.run_id}` would leave that out"))


def in_words(made: PullRequest) -> str:
    """What became of the pull request, in the words that scripts know."""
    return f"{'updated' if made.updated else 'opened'} PR {made.url}"


def at_the_end(
    repo: Repo, run_id: str, code: int, *, required: bool, as_json: bool, background: Background | None
) -> int:
    """The run is over and its lock free: see to its pull request, and return the exit code of `grind`.

    That is the run's own, `code`, unless a `required` pull request is missing. Ctrl-C and SIGTERM count again from here
    on: a remote that hangs is waited for no longer.
    """
    if code in _NO_RESULT:
        return code
    if background is not None:
        background.follow()
    try:
        heed(_STOPS)
        if read_state(RunPaths(repo.root, run_id)).status is RunStatus.ACTIVE:
            return code  # refused: another process of it may be live
        made = in_words(pull_request(repo, run_id))
        note(made) if as_json or background else say(made)
        return code
    except PitbossError as error:
        note(warning(f"no pull request: {error.message}"))
        if error.hint:
            note(f"  {error.hint}")
    except KeyboardInterrupt:
        note(warning("no pull request: interrupted"))
        note(f"  `pitboss pr {run_id}` tries again")
    finally:
        ignore(_STOPS)
    return FAILED if required else code
