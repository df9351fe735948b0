"""Tells a program that is not there, or not whole, from one that fails: an update may be replacing it (SPEC 6).

npm removes a program's files and takes many seconds to write the new ones, also when another session of the CLI updates
it. A CLI's own settings may be half written for a moment, when several sessions share them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.process import EndedBy

if TYPE_CHECKING:
    from pitboss.process import Exit

NOT_WHOLE = lazy_pattern(
    r"MODULE_NOT_FOUND|Cannot find (module|package)|(env|execvp).{0,200}: (No such file|not found)|: not found\s*\Z"
    r"|\b(config(uration)?|settings) file .{0,200}\bcorrupt|unexpected (eof|end of (json )?input).{0,20}/\S+\.json\b",
    re.IGNORECASE,
)
"""What node, a shell and a sandbox say when what they should start is not there, and a CLI of settings half written."""

FAILURES = (1, 126, 127)
"""The exit codes with which they say it."""


def is_missing(ended: Exit, complaints: bytes) -> bool:
    """Whether a program that was started and printed nothing readable was not there, or not whole."""
    by_itself = ended.ended_by is EndedBy.EXIT and ended.code in FAILURES
    return by_itself and NOT_WHOLE.search(complaints.decode("utf-8", "replace")) is not None
