"""`pitboss demo`: grind a throw-away repository with the `shell` agent, then show where the work went (SPEC 8).

The repository, its three prompts and its settings are the files of `pitboss/demo`. Files that tools would mistake
for pitboss's own (`.gitignore`) have a `.txt` suffix there, which is dropped when they are copied. The run sees none
of the user's git settings or prompts, so it goes the same way on every machine.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.given import one_of
from pitboss.core.config import SandboxMode
from pitboss.core.rescue_name import rescue_name
from pitboss.core.session import SessionStatus
from pitboss.core.settling import in_words
from pitboss.core.tone import SESSION_TONES
from pitboss.errors import CommandError, PitbossError
from pitboss.screens.output import Ink, paint, say
from pitboss.screens.program import NAME, program
from pitboss.screens.tones import paint_tone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.core.session import SessionRecord

AS_PLANNED = (
    ("add-tests", SessionStatus.OK),
    ("changelog", SessionStatus.OK),
    ("format", SessionStatus.OK),
    ("add-tests", SessionStatus.ERROR),
    ("changelog", SessionStatus.ERROR),
    ("format", SessionStatus.OK),
)
SOME_FAILED = 1


@command()
@option(
    "--sandbox",
    type=one_of(SandboxMode.OFF, SandboxMode.BWRAP),
    metavar="MODE",
    help="Run it in the sandbox: off or bwrap.",
)
def demo(*, sandbox: str | None) -> None:
    """Grind a throw-away repository, to see what happens.

    Makes a small broken Python package and three prompts for the built-in shell agent, and runs six sessions
    over them: four land, one fails on purpose, one leaves work to rescue. Needs no network and no API key. The
    repository is kept, and its path is printed.
    """
    from pathlib import Path

    from pitboss.store.paths import prompts_dir

    repository = _make_repository()
    chosen = () if sandbox is None else ("--sandbox", sandbox)
    command = ["grind", "--prompts-dir", str(prompts_dir(Path())), *chosen]
    say(f"A small broken Python package is in {repository}")
    say(f"{paint('$', Ink.FAINT)} {shlex.join(program())} {' '.join(command)}")
    sys.stdout.flush()
    code = _run(command, repository)
    run_id, records = _read_run(repository)
    _report(repository, run_id, records)
    if code != SOME_FAILED or tuple((r.prompt, r.status) for r in records) != AS_PLANNED:
        raise CommandError(
            f"the demo did not go as planned (grind ended with {code}, {len(records)} sessions)",
            hint=f"`pitboss doctor` in {repository} may say why",
        )


def _make_repository() -> Path:
    import shutil
    import tempfile
    from importlib.resources import as_file, files
    from pathlib import Path

    from pitboss.store.paths import config_path, prompts_dir

    repository = Path(tempfile.mkdtemp(prefix="pitboss-demo-")).resolve()
    tests = shlex.join([sys.executable, "-m", "unittest", "discover", "--quiet", "tests"])
    with as_file(files("pitboss").joinpath("demo")) as source:
        _copy_without_txt(source / "repository", repository)
        shutil.copytree(source / "prompts", prompts_dir(repository))
        settings = (source / "config.toml").read_text(encoding="utf-8")
    config_path(repository).write_text(settings.replace("TEST_COMMAND", _toml_text(tests)), encoding="utf-8")
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["commit", "-qm", "calc 0.1.0"],
    ):
        _git(repository, *arguments)
    return repository


def _copy_without_txt(source: Path, target: Path) -> None:
    for file in source.rglob("*.txt"):
        copy = target / file.relative_to(source).with_suffix("")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())


def _toml_text(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _environment() -> dict[str, str]:
    """Our environment without the variables of git or an outer run, and without the user's git settings."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PITBOSS_"))
    }
    person = {
        f"GIT_{role}_{key}": "demo@local" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    return inherited | person | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def _git(repository: Path, *args: str) -> None:
    from pitboss.process import capture

    done = capture(["git", *args], cwd=repository, env=_environment())
    if done.code != 0:
        raise PitbossError(f"git {args[0]} failed: {done.stderr.decode(errors='replace').strip()}")


def _run(command: Sequence[str], repository: Path) -> int:
    """Run the real command on our terminal and return its exit code; Ctrl-C is for the command, not for us."""
    import subprocess

    called = program()
    argv = [*((sys.executable, "-m", NAME) if called == (NAME,) else called), *command]
    with subprocess.Popen(argv, cwd=repository, env=_environment(), stdin=subprocess.DEVNULL) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue


def _read_run(repository: Path) -> tuple[str, list[SessionRecord]]:
    from pitboss.store.catalogue import list_runs
    from pitboss.store.log import iter_records
    from pitboss.store.paths import RunPaths

    runs = list_runs(repository)
    if not runs:
        raise CommandError("the demo did not start", hint=f"`pitboss doctor` in {repository} may say why")
    run_id = runs[0].run_id
    return run_id, list(iter_records(RunPaths(repository, run_id).log))


def _report(repository: Path, run_id: str, records: Sequence[SessionRecord]) -> None:
    from pitboss.landing.refs import run_branch

    branch = run_branch(run_id)
    rescued = [(record, ref) for record in records for ref in record.rescue]
    _heading(f"Landed on {branch}")
    for record in records:
        if record.commit is not None:
            say(f"  {paint(record.commit[:7], Ink.NAME)}  {record.prompt:10}  {record.summary}")
    _heading("Did not land")
    for record in records:
        if record.status.failed:
            status = paint_tone(record.status, SESSION_TONES[record.status])
            say(f"  session {record.seq}  {record.prompt:10}  {status}: {in_words(record.reason or '')}")
    _heading("Rescued, each under a ref of its own")
    for record, ref in rescued:
        say(f"  {ref}  {record.prompt}")
    _heading("Look further")
    say(f"  cd {shlex.quote(str(repository))}")
    called = shlex.join(program())
    for words, meaning in (
        ("log", "every session in a line"),
        (f"show {run_id} 1 --diff", "what the first one changed"),
        *((f"rescue show {rescue_name(ref)}", "what was rescued") for _, ref in rescued[:1]),
    ):
        say(f"  {called} {words}  {paint(f'# {meaning}', Ink.FAINT)}")
    _show_the_morning(repository, run_id, called)


def _show_the_morning(repository: Path, run_id: str, called: str) -> None:
    """What a person does with a night's work."""
    from pitboss.store.opening import is_plain
    from pitboss.store.paths import RunPaths

    _heading("The morning after")
    for words, meaning in (
        ("report", "what landed, what it cost, what needs you"),
        ("review", "go through what landed, riskiest first"),
        ("land", "take what landed"),
    ):
        say(f"  {called} {words} {run_id}  {paint(f'# {meaning}', Ink.FAINT)}")
    page = RunPaths(repository, run_id).report_html
    if is_plain(page):
        say(f"\nThe report, for a browser: {page}")


def _heading(text: str) -> None:
    say(f"\n{paint(text, Ink.STRONG)}")
