"""What must come of each scenario, and what is wrong with what came (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.live.clis import RETRIES
from tests.live.exchange import GREETING, LAST_WORD
from tests.live.model import ENDLESS_WORK, Scenario
from tests.live.trial import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.live.clis import Cli
    from tests.live.exchange import Tokens
    from tests.live.trial import Seen

AWAY_ATTEMPTS = 1 + RETRIES + 1
"""Of a session whose service stays away: after the retries one wait uses up `max_wait`."""


class End(NamedTuple):
    """Exit code of the run; status, reason and attempts of its session."""

    code: int
    status: str
    reason: str
    attempts: int = 1


ENDS = {
    Scenario.OVERLOADED: End(5, "error", "overloaded", AWAY_ATTEMPTS),
    Scenario.AUTH: End(5, "error", "auth", 2),
    Scenario.HANG: End(1, "timeout", "stalled"),
    Scenario.LONGTOOL: End(2, "aborted", "aborted"),
    Scenario.BUDGET: End(1, "error", "cost_cap"),
    Scenario.MAX_BUDGET: End(3, "error", "cost_cap"),
}
"""Where the session cannot end well."""

REFUSING = (
    Scenario.RATE_ONCE,
    Scenario.USAGE_LIMIT,
    Scenario.LIMIT_MIDWAY,
    Scenario.OUTAGE,
    Scenario.LONG_OUTAGE,
    Scenario.AUTH_ONCE,
)
"""Where something is refused first."""

ENDLESS = End(1, "timeout", "stalled")
"""The same for a CLI that asks again for ever."""

CUT, CUT_UNUSED = End(1, "error", "overloaded", 1 + RETRIES), End(5, "error", "overloaded", AWAY_ATTEMPTS)
"""After answers that were cut off: tokens were used, or as far as the CLI knows none, which makes it an outage."""


def faults(cli: Cli, scenario: Scenario, seen: Seen) -> Iterator[str]:
    """Yield what does not hold; nothing when all does."""
    if len(seen.records) != (TOGETHER if scenario is Scenario.TOGETHER else 1):
        yield f"{len(seen.records)} records, exit {seen.exit_code}: {seen.stderr.strip()[-500:]}"
        return
    record = max(seen.records, key=lambda each: each["status"] != "ok")
    if seen.left:
        yield f"left running: {seen.left}"
    if seen.leaked:
        yield f"the key is in {seen.leaked}"
    if seen.guest.requests == 0:
        yield "the service was never asked"
    if scenario in cli.mends:
        yield from _undone(seen, record, works=not (scenario is Scenario.BACKGROUND and cli.ends_its_tasks))
    else:
        yield from _misjudged(cli, scenario, seen, record)
    yield from _miscounted(cli, scenario, seen, record)


def summary(seen: Seen) -> str:
    """What came, in a few words."""
    if not seen.records:
        return f"exit {seen.exit_code}"
    record = max(seen.records, key=lambda each: each["status"] != "ok")
    words = [_kind(record) or str(record["status"])]
    if (attempts := record.get("attempts", 1)) > 1:
        words.append(f"{attempts} attempts")
    if waited := record.get("waited_s"):
        words.append(f"waited {waited:.0f} s")
    if record.get("cost_known") is False:
        words.append("cost unknown")
    return ", ".join(words)


def _undone(seen: Seen, record: dict[str, Any], *, works: bool) -> Iterator[str]:
    """The work is on the run branch, unless it was left to what the CLI does not wait for."""
    if (seen.exit_code, record["status"]) != (0, "ok"):
        yield f"exit {seen.exit_code}, {record['status']}: {record.get('reason')}"
    if seen.hello.strip() != (GREETING.strip() if works else ""):
        yield f"hello.txt on the run branch is {seen.hello!r}"
    if record["summary"].strip() != LAST_WORD:
        yield f"the summary is {record['summary']!r}"
    if seen.guest.scenario in REFUSING:
        refused = seen.guest.requests - len(seen.guest.served)
        if refused < 1:
            yield "nothing was refused"


def _misjudged(cli: Cli, scenario: Scenario, seen: Seen, record: dict[str, Any]) -> Iterator[str]:
    """The run and its session ended as they must."""
    expected = _end(cli, scenario, record)
    found = End(seen.exit_code, record["status"], _kind(record), record.get("attempts", 1))
    if found != expected:
        yield f"{found} instead of {expected}: {record.get('reason')}"
    if seen.hello and scenario not in ENDLESS_WORK:
        yield "hello.txt is on the run branch"
    if scenario is Scenario.AUTH and not seen.stop_reason:
        yield "the run does not say why it stopped"


def _end(cli: Cli, scenario: Scenario, record: dict[str, Any]) -> End:
    if scenario in cli.endless:
        return ENDLESS
    if scenario in (Scenario.CUT, Scenario.CUT_CLEAN):
        return CUT if any(_pair(record["tokens"])) else CUT_UNUSED
    return ENDS[scenario]


def _miscounted(cli: Cli, scenario: Scenario, seen: Seen, record: dict[str, Any]) -> Iterator[str]:
    """What was used is what the service served, or is said to be unknown; answers cut off may count or not."""
    if not cli.counts or (scenario is Scenario.LIMIT_MIDWAY and not cli.counts_failures):
        return
    counted = _pairs(seen.records)
    served, begun = _sums(seen.guest.served), _sums(seen.guest.begun)
    whole = all(
        least <= found <= least + more for found, least, more in zip(counted, served, begun, strict=True)
    )
    must_count = scenario in cli.mends
    if scenario is Scenario.LONGTOOL and cli.counts_when_stopped:
        # One that is too slow to say what it used in the end has said little of its output before.
        must_count, whole = True, counted[0] == served[0] and 0 < counted[1] <= served[1]
    if scenario in ENDLESS_WORK:
        # What is answered while it is being stopped may be lost: one answer.
        rest = zip(counted, served, _sums(seen.guest.served[-1:]), strict=True)
        whole = all(most - last <= found <= most for found, most, last in rest)
    if not whole and (must_count or record.get("cost_known", True)):
        yield f"tokens {counted} of {served} served and {begun} begun"


def _pairs(records: Iterable[dict[str, Any]]) -> tuple[int, int]:
    pairs = [_pair(record["tokens"]) for record in records]
    return sum(used for used, _ in pairs), sum(said for _, said in pairs)


def _pair(tokens: dict[str, int]) -> tuple[int, int]:
    return tokens["input"], tokens["output"]


def _sums(answers: Iterable[Tokens]) -> tuple[int, int]:
    listed = list(answers)
    return sum(each.input for each in listed), sum(each.output for each in listed)


def _kind(record: dict[str, Any]) -> str:
    return str(record.get("reason") or "").partition(":")[0]
