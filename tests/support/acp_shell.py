"""An agent that speaks just enough of the Agent Client Protocol to do a script of shell, and starts at once.

python acp_shell.py SCRIPT      does the script, says what it prints, and ends as it does
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

SESSION = "new-1"
CHUNK = 64 * 1024


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def start(script: str, prompt: str) -> subprocess.Popen[bytes]:
    """The script's shell, which finds the prompt in `$ACP_PROMPT`, as far as a variable holds it."""
    env = os.environ | {"ACP_PROMPT": prompt[:CHUNK]}
    return subprocess.Popen(
        ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0, env=env
    )


def follow(turn: int, running: list[subprocess.Popen[bytes]]) -> None:
    """One turn: the script's output as messages, its end as the turn's or, where it fails, the agent's."""
    shell = running[0]
    assert shell.stdout is not None
    while chunk := shell.stdout.read(CHUNK):
        content = {"type": "text", "text": chunk.decode("utf-8", "replace")}
        update = {"sessionUpdate": "agent_message_chunk", "content": content}
        send(method="session/update", params={"sessionId": SESSION, "update": update})
    code = shell.wait()
    if running[1:]:
        usage = {"totalTokens": 14, "inputTokens": 7, "outputTokens": 7}
        send(id=turn, result={"stopReason": "cancelled", "usage": usage})
    elif code == 0:
        usage = {"totalTokens": 0, "inputTokens": 0, "outputTokens": 0}
        send(id=turn, result={"stopReason": "end_turn", "usage": usage})
    elif code < 0:
        os.kill(os.getpid(), -code)
    else:
        os._exit(code)


def main() -> None:
    running: list[subprocess.Popen[bytes]] = []
    for line in sys.stdin:
        asked = json.loads(line)
        match asked["method"]:
            case "initialize":
                send(id=asked["id"], result={"protocolVersion": 1})
            case "session/new":
                send(id=asked["id"], result={"sessionId": SESSION})
            case "session/prompt":
                prompt = "".join(block.get("text", "") for block in asked["params"]["prompt"])
                # Here and not in the thread: a cancel that the script brings about must find it.
                running.append(start(sys.argv[1], prompt))
                threading.Thread(target=follow, args=(asked["id"], running), daemon=True).start()
            case "session/cancel":
                running.append(running[0])
                running[0].kill()


if __name__ == "__main__":
    main()
