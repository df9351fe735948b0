"""Which display of `grind` goes to stderr: a live footer on a terminal, plain lines elsewhere (SPEC 8).

Progress goes to stderr and results to stdout, so that neither ever disturbs the other.
"""

from __future__ import annotations

from pitboss.screens.plain import PlainProgress
from pitboss.screens.terminal import draws_footer


def for_stderr(*, json: bool) -> PlainProgress:
    """The display for stderr: the live footer needs the terminal to itself, and JSON lines would break it up."""
    if not draws_footer(json=json):
        return PlainProgress()
    # rich is loaded only on a terminal.
    from pitboss.screens.live import LiveProgress

    return LiveProgress()
