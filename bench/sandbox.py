"""What the sandbox costs a session: the same run with and without, in turn (SPEC 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measure import median, say, time_child
from bench.repositories import CHANGES_A_FILE, git, grind, make_repository
from bench.sessions import BUDGET_STOP, session_seconds

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 6
SESSIONS = 25
LIMIT_MS = 5.0
FILES = 100
AGENT = "agent.sh"
FENCED = '\n[sandbox]\nmode = "bwrap"\n'


def measure(scratch: Path) -> list[Figure]:
    """Sessions in the user's tree with one process each, inside bubblewrap and outside."""
    say(f"a session with and without the sandbox: {ROUNDS} rounds of {SESSIONS}")
    repositories = {name: _repository(scratch / name) for name in ("outside", "inside")}
    config = repositories["inside"] / ".pitboss/config.toml"
    config.write_text(config.read_text(encoding="utf-8") + FENCED, encoding="utf-8")
    seconds: dict[str, list[float]] = {name: [] for name in repositories}
    for turn in range(1, ROUNDS + 1):
        for name, repository in repositories.items():
            resume = () if turn == 1 else ("--resume",)
            command = grind(*resume, "--max-iterations", str(turn * SESSIONS))
            time_child(command, repository, expect=BUDGET_STOP)
            seconds[name] += session_seconds(repository)[-SESSIONS + 1 :]
    outside, inside = (median(seconds[name]) * 1000 for name in ("outside", "inside"))
    return [
        Figure("session without a sandbox", outside, "ms"),
        Figure("session inside bubblewrap", inside, "ms"),
        Figure("what the sandbox costs a session", inside - outside, "ms", LIMIT_MS),
    ]


def _repository(path: Path) -> Path:
    """One whose agent lies in the tree: nothing of `.pitboss` can be seen inside."""
    made = make_repository(path, files=FILES, agent=CHANGES_A_FILE)
    (made / AGENT).write_text(CHANGES_A_FILE, encoding="utf-8")
    config = made / ".pitboss/config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(str(made / ".pitboss/agent"), str(made / AGENT)), encoding="utf-8")
    git(made, "add", AGENT)
    git(made, "commit", "--quiet", "--message=agent")
    return made
