"""The run that is crashed between attempts: a session that is retried, limited and taken over, and a plain one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.chaos.checks import records_of
from tests.chaos.scenario import Place, furnish

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
EACH_INPUT, EACH_USD = 100, 0.01
"""What each attempt uses."""

CONFIG = f"""
[agent]
backend = "claude_code"
[agent.claude_code]
binary = "{HERE / "claude.sh"}"
[agent.command]
command = ["sh", "{HERE / "fallback.sh"}"]
[limits]
fallback = ["command"]
retry_base_seconds = 0.01
[budgets.pricing."claude-sonnet-4-5"]
input_per_million_usd = 100.0
output_per_million_usd = 0.0
[grind]
hook_env_passthrough = ["CHAOS_LOG"]
[grind.hooks]
post_session = 'echo "post $PITBOSS_SESSION_SEQ" >>"$CHAOS_LOG"'
"""


def build_attempts(root: Path) -> Place:
    """Make the repository; each prompt runs once."""
    prompts = {"a-limited": "max_runs: 1\n", "b-plain": "max_runs: 1\nagent: command\n"}
    return furnish(Place(root), prompts, CONFIG)


def miscounted(place: Place) -> Iterator[str]:
    """Yield what is wrong with the attempts and bills of records.

    An attempt that another one followed has said all; of one that died with the runner the last words may be lost.
    """
    started = Counter(line[1] for line in place.testimony() if line[0] == "attempt")
    for record in records_of(place):
        seq, attempts = record["seq"], record.get("attempts", 1)
        ran = started[str(seq)]
        # One that was made known and not yet started when everything ended.
        if attempts not in (max(ran, 1), ran + 1):
            yield f"session {seq}: {attempts} attempts in the record, {ran} were started"
        yield from _misbilled(record, ran)


def _misbilled(record: dict[str, Any], ran: int) -> Iterator[str]:
    used, cost = record["tokens"]["input"], record["cost_usd"]
    least = EACH_INPUT * (max(0, ran - 1) if record["status"] == "aborted" else ran)
    if not least <= used <= EACH_INPUT * ran:
        yield f"session {record['seq']}: {used} tokens after {ran} attempts, {record['status']}"
    if abs(cost - used / EACH_INPUT * EACH_USD) > 1e-9:
        yield f"session {record['seq']}: ${cost} for {used} tokens"
