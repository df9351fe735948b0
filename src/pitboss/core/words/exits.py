"""How a process ended, in words (SPEC 10)."""

from __future__ import annotations

_SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    6: "SIGABRT",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
}
"""Those whose numbers are the same everywhere."""


def exit_words(code: int | None) -> str:
    """`exit code 3`; a code below 0 is the signal that killed it, as the system does when memory runs out."""
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"killed by {_SIGNALS.get(-code, f'signal {-code}')}"
