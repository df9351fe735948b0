"""Plays an agent behind the Agent Client Protocol again: writes what it wrote, each answer once it is asked for.

python acp_replay.py WIRE       an answer in WIRE has the request's method in `answers` instead of its number
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Write every line in turn; an answer waits for its request."""
    asked: dict[str, Any] = {}
    for line in Path(sys.argv[1]).read_text().splitlines():
        message = json.loads(line)
        method = message.pop("answers", None)
        while method is not None and method not in asked:
            heard = sys.stdin.readline()
            if not heard:
                return
            request = json.loads(heard)
            asked[request.get("method", "")] = request.get("id")
        number = {} if method is None else {"id": asked[method]}
        sys.stdout.write(json.dumps(message | number) + "\n")
        sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
