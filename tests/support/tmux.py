"""A real terminal for tests: a tmux server of its own, whose screen can be read, typed to and resized."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from tests.support.cli import COMMAND, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.cli import Project


class Terminal:
    """One window of one tmux server."""

    def __init__(self, socket: Path, env: dict[str, str]) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", os.devnull]
        self._env = env

    def tmux(self, *args: str) -> str:
        """Give tmux a command and return what it prints."""
        done = subprocess.run(
            [*self._tmux, *args], env=self._env, capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode()

    def begin(self, folder: Path, width: int, height: int) -> None:
        """Open the window with a shell in it."""
        size = ["-x", str(width), "-y", str(height)]
        self.tmux("new-session", "-d", *size, "-c", str(folder), "exec env PS1='$ ' sh")

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without blanks at the ends of lines."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").split("\n")]

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return "\n".join(self.lines)

    @property
    def colored(self) -> str:
        """What is on the screen, with the escape sequences of its colors."""
        return self.tmux("capture-pane", "-e", "-p")

    def flag(self, name: str) -> str:
        """What tmux knows of the window: `alternate_on`, `cursor_flag`, `pane_pid`, `mouse_any_flag`."""
        return self.tmux("display-message", "-p", f"#{{{name}}}").strip()

    def keys(self, *names: str) -> None:
        """Press keys, by tmux's names for them."""
        self.tmux("send-keys", *names)

    def say(self, text: str) -> None:
        """Type text as it is."""
        self.tmux("send-keys", "-l", text)

    def enter(self, line: str) -> None:
        """Type a line for the shell."""
        self.say(line)
        self.keys("Enter")

    def resize(self, width: int, height: int) -> None:
        """Make the window another size."""
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def wait_for(self, *texts: str) -> str:
        """Wait until all of these are on the screen at once, and return it."""
        seen = ""

        def all_there() -> bool:
            nonlocal seen
            seen = self.screen
            return all(text in seen for text in texts)

        try:
            wait_until(all_there)
        except AssertionError:
            raise AssertionError(f"not all of {texts} appeared:\n{seen}") from None
        return seen

    def wait_without(self, text: str) -> None:
        """Wait until this is no longer on the screen."""
        wait_until(lambda: text not in self.screen)


def command(*args: str) -> str:
    """A line for the shell that runs pitboss."""
    return shlex.join([*COMMAND, *args])


@contextlib.contextmanager
def terminal(project: Project, *, width: int = 80, height: int = 24, **env: str) -> Iterator[Terminal]:
    """A terminal with a shell in the project; its server ends with the test."""
    socket = project.root.parent / "tmux"
    found = Terminal(socket, {**project.env, "TERM": "xterm-256color", **env})
    found.begin(project.root, width, height)
    try:
        yield found
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            found.tmux("kill-server")
