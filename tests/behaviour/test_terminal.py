"""What agents write never acts on the terminal of who looks at it, whatever the command (SPEC 1.6, 8)."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import COMMAND, PATIENCE_S, Project
from tests.support.runs import Gate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ATTACKS = {
    "clipboard": b"\x1b]52;c;ZXZpbA==\x07",
    "title": b"\x1b]0;evil\x07",
    "clear": b"\x1b[2J\x1b[H\x1b[3J",
    "reset": b"\x1bc",
    "other screen": b"\x1b[?1049h",
    "device control": b"\x1bP$q\x1b\\",
    "hidden": b"\x1b[8mevil\x1b[0m",
    "link": b"\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\",
    "one-byte CSI": b"\x9b2J",
    "CSI as UTF-8": b"\xc2\x9b2J",
    "overprint": b"rm -rf /\x08\x08\x08\x08\x08\x08\x08\x08ls      ",
    "overwrite": b"evil\rgood",
    "turned around": "evil\u202egnp.exe\u202c".encode(),
}
PAYLOAD = b"".join(b"%s: %s end\n" % (name.encode(), attack) for name, attack in ATTACKS.items())
OURS = re.compile(rb"\x1b\[(?:[0-2]|3[0-7])?(?:;3[0-7])?m")
FOOTER = re.compile(rb"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*|\x1b\[\?25h")


def on_terminal(
    project: Project, *args: str, look: Callable[[bytes], object] | None = None, **more: str
) -> bytes:
    """All that a command sends to a terminal, which is its stdin, stdout and stderr.

    `look` is shown it as it grows.
    """
    ours, theirs = pty.openpty()
    env = project.env | {"TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50"} | more
    with subprocess.Popen(
        [*COMMAND, *args], cwd=project.root, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
            if look is not None:
                look(said)
        child.wait(PATIENCE_S)
    os.close(ours)
    return said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux says so when the other end is closed
        return b""


def assert_harmless(said: bytes) -> None:
    text = OURS.sub(b"", FOOTER.sub(b"", said)).replace(b"\r\n", b"\n").decode()
    acting = re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert not acting, text


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository with a run in which an agent put the payload wherever it can."""
    folder: Path = tmp_path_factory.mktemp("terminal")
    project = Project.create(folder / "repo")
    payload = folder / "payload"
    payload.write_bytes(PAYLOAD)
    names = [name for name in ATTACKS.values() if b"/" not in name]
    for name in names:
        (folder / "names").mkdir(exist_ok=True)
        with open(os.fsencode(folder / "names") + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(PAYLOAD)
    everywhere = (
        f'cat {payload}; cp {payload} "$PITBOSS_SUMMARY_FILE"; cp {folder}/names/* .; cp {payload} file.txt; '
        f'cat {payload} >>"$PITBOSS_SCRATCHPAD"; git add -A; git -c user.name="$(cat {payload})" '
        f"-c user.email=e@e commit -qF {payload}"
    )
    project.prompt("lands", everywhere, max_runs=1)
    project.prompt("fails", f"{everywhere}; exit 3", max_runs=1)
    project.write(
        ".pitboss/config.toml",
        f'[agent]\nbackend = "shell"\n[grind.hooks]\npost_session = "cat {payload}; exit 1"\n',
    )
    started = on_terminal(project, "grind")
    assert b"session-0002" in started, started.decode(errors="replace")
    assert_harmless(started)
    for name in names:
        with open(os.fsencode(project.root / ".pitboss/grind/prompts") + b"/" + name + b".md", "wb") as file:  # noqa: PTH123
            file.write(b"---\nname: x\n---\n" + PAYLOAD)
    return project


COMMANDS = (
    ("show", "RUN", "1"),
    ("show", "RUN", "1", "--diff"),
    ("show", "RUN", "1", "--transcript"),
    ("show", "RUN", "1", "--json"),
    ("show", "RUN", "2"),
    ("show", "RUN", "2", "--diff"),
    ("log",),
    ("log", "-f"),
    ("log", "--json"),
    ("status",),
    ("status", "--json"),
    ("runs",),
    ("runs", "--json"),
    ("rescue", "ls"),
    ("rescue", "ls", "--json"),
    ("rescue", "show", "RUN/session-"),
    ("prompts", "ls"),
    ("prompts", "ls", "--json"),
    ("prompts", "validate"),
    ("doctor",),
    ("doctor", "--json"),
    ("grind",),
    ("grind", "--dry-run"),
)


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_no_command_lets_an_agent_act_on_the_terminal(project: Project, args: tuple[str, ...]) -> None:
    run_id = project.pitboss("runs", "--json").json()[0]["run_id"]
    said = on_terminal(project, *(arg.replace("RUN", run_id) for arg in args))
    assert said
    assert b"Traceback" not in said
    assert_harmless(said)


@pytest.mark.parametrize(
    "args",
    [
        ("x\x1b]0;t\x07",),
        ("show", "x\x1b[2J", "1"),
        ("grind", "--rotation", "\x9b2J"),
        ("prompts", "show", "\x1bc"),
    ],
)
def test_errors_that_quote_what_was_given_are_harmless(project: Project, args: tuple[str, ...]) -> None:
    said = on_terminal(project, *args)
    assert b"error:" in said
    assert_harmless(said)


def test_a_diff_shows_what_it_hides_and_has_our_colors(project: Project) -> None:
    run_id = project.pitboss("runs", "--json").json()[0]["run_id"]
    said = on_terminal(project, "show", run_id, "1", "--diff")
    assert b"\x1b[32m+clipboard: ^[]52;c;ZXZpbA==^G end\x1b[0m" in said
    assert b"one-byte CSI: \\x9b2J end" in said
    assert b"CSI as UTF-8: <U+009B>2J end" in said
    assert b"overwrite: evil^Mgood end" in said
    assert b"turned around: evil<U+202E>gnp.exe<U+202C> end" in said


@pytest.mark.parametrize("view", ["--diff", "--transcript"])
def test_a_pipe_is_harmless_and_a_file_or_raw_gets_the_bytes(
    project: Project, tmp_path: Path, view: str
) -> None:
    run_id = project.pitboss("runs", "--json").json()[0]["run_id"]
    command = [*COMMAND, "show", run_id, "1", view]
    piped = subprocess.run(command, cwd=project.root, env=project.env, capture_output=True, check=True).stdout
    assert_harmless(piped)
    raw = subprocess.run(
        [*command, "--raw"], cwd=project.root, env=project.env, capture_output=True, check=True
    )
    assert ATTACKS["one-byte CSI"] in raw.stdout
    with (tmp_path / "out").open("wb") as out:
        subprocess.run(command, cwd=project.root, env=project.env, stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == raw.stdout


def test_a_diff_in_a_pipe_is_a_patch_that_applies_line_ends_and_all(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("one", r"printf 'a\r\nb\tc\nno end' >new.txt", max_runs=1)
    assert project.pitboss("grind").code == 0
    run_id = project.pitboss("runs", "--json").json()[0]["run_id"]
    patch = project.write("../patch", "")
    patch.write_bytes(project.pitboss("show", run_id, "1", "--diff").out.encode())
    project.git("checkout", "-q", "main")
    project.git("apply", str(patch))
    assert (project.root / "new.txt").read_bytes() == b"a\r\nb\tc\nno end"


def test_json_is_harmless_and_means_the_same(project: Project) -> None:
    said = project.pitboss("log", "--json").out
    summaries = [json.loads(line)["summary"] for line in said.splitlines()]
    assert all("evil" in summary for summary in summaries)
    assert_harmless(said.encode())


def test_without_color_there_is_none_and_no_mark_of_one(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    title = "● session-0001 one".encode()
    gate = Gate(tmp_path / "gate")
    project.prompt("one", gate.script, max_runs=1)

    def look(said: bytes) -> None:
        if title in said:
            gate.open()

    said = on_terminal(project, "grind", look=look, NO_COLOR="1")
    assert title in said
    assert b"^[" not in said
    assert b"\x1b" not in FOOTER.sub(b"", said)
