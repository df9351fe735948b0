"""`make bench`: measures everything that bench/README.md promises; one JSON object on stdout, a table on stderr."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import (
    history,
    outlets,
    parallel,
    report,
    resume,
    sandbox,
    serve,
    sessions,
    slots,
    startup,
    viewers,
    watch,
    workers,
    workers_scale,
)
from bench.figures import as_json, table
from bench.measure import say

PARTS = {
    "startup": startup.measure,
    "sessions": sessions.measure,
    "flat": sessions.measure_flatness,
    "resume": resume.measure,
    "slots": slots.measure,
    "parallel": parallel.measure,
    "outlets": outlets.measure,
    "watch": watch.measure,
    "serve": serve.measure,
    "viewers": viewers.measure,
    "history": history.measure,
    "report": report.measure,
    "sandbox": sandbox.measure,
    "workers": workers.measure,
    "workers-scale": workers_scale.measure,
}


def main() -> int:
    """Measure the parts named as arguments, or all of them; 0 if every limit is kept, else 1."""
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        say(f"error: no such part: {', '.join(unknown)}\nhint: the parts are {', '.join(PARTS)}")
        return 2
    figures = []
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="pitboss-bench-") as scratch:
            figures += PARTS[name](Path(scratch))
    print(json.dumps({"machine": _machine(), "figures": as_json(figures)}, indent=2), flush=True)
    say(f"\n{table(figures)}")
    return 0 if all(figure.kept is not False for figure in figures) else 1


def _machine() -> dict[str, str | int | None]:
    git = subprocess.run(["git", "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "git": git,
    }


if __name__ == "__main__":
    sys.exit(main())
