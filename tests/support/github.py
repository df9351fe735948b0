"""GitHub without a network: a bare repository as the remote, and a program called `gh` that keeps pull requests."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Project

_GH = """\
#!{python}
import json, pathlib, subprocess, sys

here = pathlib.Path({folder!r})
said, fails = here / "calls.jsonl", here / "fails.json"
args = sys.argv[1:]
body = sys.stdin.read()
with said.open("a") as calls:
    calls.write(json.dumps(dict(args=args, body=body)) + "\\n")
broken = json.loads(fails.read_text()) if fails.exists() else {{}}
if args[1] in broken:
    code, words = broken[args[1]]
    sys.exit(print(words, file=sys.stderr) or code)
silent = (here / "silent").read_text() if (here / "silent").exists() else ""
opened = json.loads((here / "opened.json").read_text()) if (here / "opened.json").exists() else {{}}
if args[:2] == ["pr", "list"]:
    print(json.dumps([dict(url=opened[head]) for head in opened if head == args[args.index("--head") + 1]]))
elif args[:2] == ["pr", "create"]:
    head = args[args.index("--head") + 1].rpartition(":")[2]
    subprocess.run(["git", "-C", str(here / "remote.git"), "rev-parse", "--verify", "-q", head], check=True)
    assert head not in opened, "a pull request for it already exists"
    opened[head] = f"https://github.com/me/project/pull/{{len(opened) + 1}}"
    (here / "opened.json").write_text(json.dumps(opened))
    print(opened[head] if "create" not in silent else "")
elif args[:2] == ["pr", "edit"]:
    assert args[2] in opened.values(), args
    print(args[2])
else:
    sys.exit(f"unknown: {{args}}")
"""


class GitHub:
    """The remote of a project and its `gh`, which comes first on the project's PATH."""

    def __init__(self, project: Project, *, remote: str = "origin", gh: bool = True) -> None:
        self._project = project
        self._folder = project.root.parent / "github"
        programs = self._folder / "bin"
        programs.mkdir(parents=True)
        project.git("init", "-q", "--bare", str(self.repository))
        project.git("remote", "add", remote, str(self.repository))
        project.git("push", "-q", remote, "main")
        if gh:
            program = programs / "gh"
            program.write_text(_GH.format(python=sys.executable, folder=str(self._folder)))
            program.chmod(0o755)
        project.env["PATH"] = f"{programs}:{project.env['PATH']}"

    @property
    def repository(self) -> Path:
        """The bare repository."""
        return self._folder / "remote.git"

    def say_nothing(self, what: str) -> None:
        """Let `gh pr WHAT` print nothing."""
        (self._folder / "silent").write_text(what)

    def fail(self, what: str, code: int, words: str) -> None:
        """Let `gh pr WHAT` fail."""
        (self._folder / "fails.json").write_text(json.dumps({what: (code, words)}))

    def work_again(self) -> None:
        """Let nothing fail any longer."""
        (self._folder / "fails.json").unlink()

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What `gh` was called with: `args`, and `body` on its input."""
        calls = self._folder / "calls.jsonl"
        return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []

    def tip(self, branch: str) -> str | None:
        """The commit that a branch is at on the remote; None if it is not there."""
        found = self._project.git("ls-remote", str(self.repository), f"refs/heads/{branch}")
        return found.split("\t")[0] if found else None
