"""`make picture`: runs `pitboss demo` in a terminal of its own and draws what stands there at the end as an SVG.

The terminal is tmux's, because the live display moves its cursor: only a terminal knows what remains to be seen.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rich._export_format
from rich.console import Console
from rich.text import Text

COLUMNS = 118
ROWS = 60
PATIENCE_S = 60.0
COMMAND = (
    "printf '\\033[2m$ \\033[0mmake demo\\n'; pitboss demo; tmux -L {socket} wait-for -S drawn; sleep 60"
)
# The page that shows the picture may load nothing from elsewhere; every terminal font has these widths.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", rich._export_format.CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # noqa: SLF001


def main() -> None:
    """Write the picture to the file named as the only argument."""
    screen = run_in_terminal(f"pitboss-picture-{os.getpid()}")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(width=COLUMNS, record=True, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(screen.rstrip()), soft_wrap=True)
        svg = console.export_svg(title="pitboss demo", code_format=FORMAT, unique_id="demo")
    svg = svg.replace("<text ", '<text xml:space="preserve" ')  # some programs drop a blank at a text's start
    Path(sys.argv[1]).write_text(
        "\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8"
    )


def run_in_terminal(socket: str) -> str:
    """Run the demo in a tmux server of its own and return its screen, colors included."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "LANG": "C.UTF-8"}
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    tmux = ["tmux", "-L", socket, "-f", os.devnull]
    with tempfile.TemporaryDirectory(prefix="pitboss-picture-") as home:
        env["HOME"] = home
        try:
            command = ["new-session", "-d", *size, f"exec sh -c {shlex.quote(COMMAND.format(socket=socket))}"]
            subprocess.run([*tmux, *command], env=env, check=True)
            subprocess.run([*tmux, "wait-for", "drawn"], check=True, timeout=PATIENCE_S)
            time.sleep(0.5)  # tmux reads the last of the output a moment after it was written
            captured = subprocess.run([*tmux, "capture-pane", "-e", "-p"], check=True, capture_output=True)
        finally:
            subprocess.run([*tmux, "kill-server"], check=False, stderr=subprocess.DEVNULL)
    return captured.stdout.decode()


if __name__ == "__main__":
    main()
