"""Agents' programs that play one act for each start: captures, or stream-json of Claude Code made to measure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.support.agents import executable
from tests.support.replay import CAPTURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.cli import Project

MODEL = "claude-sonnet-4-5"
SESSION = "795ba411-0abc-4854-975e-9417d518028f"
_RESET = re.compile(r'"resetsAt":(\d+)')

Line = dict[str, object]


class Player:
    """A program on the project's PATH; its n-th start keeps arguments and stdin and plays the n-th act, a script.

    Workers ask it for its version, which is no start.
    """

    def __init__(self, project: Project, name: str, *acts: str) -> None:
        folder = project.root.parent / "bin"
        folder.mkdir(exist_ok=True)
        if not project.env["PATH"].startswith(f"{folder}:"):
            project.env["PATH"] = f"{folder}:{project.env['PATH']}"
        self._folder = project.root.parent / f"acts-{name}"
        self._folder.mkdir()
        for n, act in enumerate(acts, 1):
            (self._folder / f"act-{n}").write_text(f"{act}\n")
        executable(
            folder / name,
            f"""[ "$*" != --version ] || exit 0
cd_to={self._folder}; n=1
while ! mkdir "$cd_to/$n" 2>/dev/null; do n=$((n+1)); done
printf '%s\\n' "$@" >"$cd_to/$n/args"; cat >"$cd_to/$n/stdin"
[ -e "$cd_to/act-$n" ] || {{ echo "no act $n" >&2; exit 64; }}
. "$cd_to/act-$n"
""",
        )

    @property
    def starts(self) -> int:
        """How often it was started."""
        return sum(1 for path in self._folder.iterdir() if path.is_dir())

    def args(self, n: int) -> list[str]:
        """The arguments of the n-th start."""
        return (self._folder / str(n) / "args").read_text().splitlines()

    def stdin(self, n: int) -> str:
        """What the n-th start was told."""
        return (self._folder / str(n) / "stdin").read_text()


def replayed(cli: str, scenario: str, *, resets_in: int = 3600) -> str:
    """An act that prints a capture and exits as it did.

    The moments at which its limits end are moved ahead together; the first of them comes in so many seconds.
    """
    folder = CAPTURES / cli / scenario
    code = json.loads((folder / "meta.json").read_text())["exit_code"]
    moments = {int(moment) for moment in _RESET.findall((folder / "stdout").read_text(errors="replace"))}
    moved = (f"s/:{at}/:$((now + {resets_in + at - min(moments)}))/g" for at in sorted(moments))
    return f'now=$(date +%s); sed "{";".join(moved)}" {folder}/stdout; cat {folder}/stderr >&2; exit {code}'


def said(*lines: Line, resets_in: int = 3600) -> str:
    """A script that prints lines of JSON; RESETS_AT in them becomes a moment so many seconds ahead."""
    text = "\n".join(json.dumps(line) for line in lines).replace('"RESETS_AT"', "RESETS_AT")
    return f"""sed "s/RESETS_AT/$(($(date +%s) + {resets_in}))/g" <<'END_OF_LINES'\n{text}\nEND_OF_LINES"""


def init(session: str = SESSION) -> Line:
    """Claude Code's first line."""
    return {"type": "system", "subtype": "init", "session_id": session, "model": MODEL}


def message(identity: str, tokens: int, output: int, text: str = "On it.") -> Line:
    """A message of the model, and what it used."""
    content = [{"type": "text", "text": text}]
    usage = {"input_tokens": tokens, "output_tokens": output}
    whole = {"id": identity, "model": MODEL, "role": "assistant", "content": content, "usage": usage}
    return {"type": "assistant", "message": whole}


def quota(used: float, *, rejected: bool = False) -> Line:
    """What Claude Code tells of the five hours, which end at RESETS_AT."""
    status = "rejected" if rejected else "allowed"
    window = {"utilization": used, "resetsAt": "RESETS_AT", "status": status}
    info = {"status": status, "resetsAt": "RESETS_AT", "unifiedWindows": {"five_hour": window}}
    return {"type": "rate_limit_event", "rate_limit_info": info}


def result(
    tokens: tuple[int, int],
    usd: float,
    *,
    whole: tuple[int, int] | None = None,
    error: Mapping[str, object] | None = None,
) -> Line:
    """The last line: what this start used, and cost and tokens of the `whole` session (else the same)."""
    total = whole or tokens
    model = {"inputTokens": total[0], "outputTokens": total[1], "costUSD": usd, "costBasis": "list"}
    line: Line = {
        "type": "result",
        "subtype": "success",
        "is_error": error is not None,
        "session_id": SESSION,
        "total_cost_usd": usd,
        "usage": {"input_tokens": tokens[0], "output_tokens": tokens[1]},
        "modelUsage": {MODEL: model},
        "permission_denials": [],
        "terminal_reason": "completed" if error is None else "api_error",
        "result": "Done.",
    }
    return line | dict(error or {})


LIMIT: Line = {
    "result": "You've hit your 5-hour limit",
    "api_error_status": 429,
    "api_error": "usage_limit_reached",
}
BUSY: Line = {"result": "Overloaded", "api_error_status": 529, "api_error_type": "overloaded_error"}


def limited(tokens: int = 1000, output: int = 50, usd: float = 0.01, *, resets_in: int = 3600) -> str:
    """A script of one that worked for a while, then ran into its usage limit."""
    lines = (
        init(),
        message("one", tokens, output),
        quota(1.0, rejected=True),
        result((tokens, output), usd, error=LIMIT),
    )
    return f"{said(*lines, resets_in=resets_in)}\nexit 1"


def busy(
    tokens: int = 1000, output: int = 50, usd: float = 0.01, whole: tuple[int, int] | None = None
) -> str:
    """A script of one that worked for a while, until the service had no time for it; as `done`."""
    lines = (
        init(),
        message("one", tokens, output),
        result((tokens, output), usd, whole=whole, error=BUSY),
    )
    return f"{said(*lines)}\nexit 1"


def done(
    tokens: int = 300, output: int = 20, usd: float = 0.004, whole: tuple[int, int] | None = None
) -> str:
    """A script of one that succeeds; `whole` and `usd` count the earlier starts of a resumed session too."""
    return said(init(), message("two", tokens, output, "Done."), result((tokens, output), usd, whole=whole))
