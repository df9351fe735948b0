"""The table of commands, and the help page that lists them, without loading any command or click (SPEC 8)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pitboss.cli.shared.declare import DeclaredCommand, DeclaredGroup

COMPLETION_VARIABLE = "_PITBOSS_COMPLETE"
PURPOSE = "Run coding agents on your repository overnight, and lose nothing."
VERSION_HELP = "Show the version and exit."
VERBOSE_HELP = "Show more detail about errors."

SECTIONS = {
    "Set up": {
        "init": "Prepare this repository for pitboss.",
        "demo": "Grind a throw-away repository, to see what happens.",
        "prompts": "List, create, check and show prompts.",
        "notify": "Test the notices that tell you of a run.",
        "agents": "List the agents: who is there, their versions and logins.",
        "config": "Print where settings are, or every setting in force.",
        "doctor": "Check git, agents, configuration, prompts, lock and disk.",
    },
    "Run": {
        "grind": "Run agents over your prompts until told to stop.",
        "queue": "Queue one-off tasks for the live run or the next one.",
        "stop": "Ask the live run to finish.",
        "skip": "Skip the sessions in flight, or one of them.",
        "pause": "Let the live run start no new session for a while.",
        "unpause": "Let the live run start sessions again.",
        "budget": "Show what a run has used, or change the live run's budgets.",
        "worker": "Run sessions on this machine, for runs elsewhere.",
        "workers": "List the machines that run sessions.",
    },
    "Look": {
        "runs": "List every run, newest first.",
        "status": "Show one run: state, budgets used, in flight, last sessions.",
        "log": "Print a run's sessions, one line each.",
        "events": "Print what happened in a run, one JSON line each.",
        "show": "Show one session: its record, diff or transcript.",
        "watch": "Watch and steer a run on the terminal.",
        "serve": "Show the runs in a browser.",
    },
    "Afterwards": {
        "report": "Report on a run: what landed, what it cost, what needs you.",
        "review": "Go through what a run landed, riskiest first.",
        "land": "Bring a run's work onto the branch it began on.",
        "pr": "Push the run branch and open a pull request for it.",
        "gc": "Remove what runs at rest no longer need.",
        "history": "Show what the sessions of all runs cost and came to.",
    },
    "Repair": {
        "rescue": "List, show, apply and drop rescued work.",
        "repair": "Repair the files of a crashed run.",
    },
    "Shell": {
        "completion": "Print a shell completion script.",
    },
}
"""What `--help` says about each command, by section. A command and its module have the same name."""

COMMANDS = {name: summary for section in SECTIONS.values() for name, summary in section.items()}

_OPTIONS = {
    "--version": VERSION_HELP,
    "-v, --verbose": VERBOSE_HELP,
    "-h, --help": "Show this message and exit.",
}
_USUAL_WIDTH = 80


def declared(name: str) -> DeclaredCommand | DeclaredGroup | None:
    """Import a command; None if there is none of that name."""
    if name not in COMMANDS:
        return None
    from importlib import import_module

    found: DeclaredCommand | DeclaredGroup = getattr(import_module(f"pitboss.cli.{name}"), name)
    return found


def help_page() -> str | None:
    """`pitboss --help` as click prints it; None if the terminal is too narrow for it without wrapping."""
    lines = ["Usage: pitboss [OPTIONS] [COMMAND] [ARGS]...", "", f"  {PURPOSE}"]
    for section, rows in {"Options": _OPTIONS, **SECTIONS}.items():
        width = max(map(len, rows))
        lines += ["", f"{section}:", *(f"  {name:<{width}}  {text}" for name, text in rows.items())]
    return "\n".join(lines) if max(map(len, lines)) <= _width() - 2 else None


def _width() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or os.get_terminal_size(1).columns
    except (OSError, ValueError):
        return _USUAL_WIDTH
