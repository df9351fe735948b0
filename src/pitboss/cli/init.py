"""`pitboss init`: prepares a repository for pitboss without changing any existing file but .gitignore (SPEC 2, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared.declare import command
from pitboss.cli.shared.extras import answered_yes, has_terminal
from pitboss.cli.shared.project import create, in_git, project_root, template
from pitboss.core.embed import one_line
from pitboss.errors import FULL, CommandError, StartError
from pitboss.screens.output import note, say
from pitboss.store.files import append_durable
from pitboss.store.paths import config_path, prompts_dir, rotations_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IGNORED = b".pitboss/"
_SAME_AS_IGNORED = (b".pitboss", b".pitboss/", b"/.pitboss", b"/.pitboss/")

_SECTION = "[sandbox]\n"
_OFF, _ON = '#mode = "off"\n', 'mode = "bwrap"\n'
_QUESTION = (
    "A sandbox works here: agents, hooks and tests would write only their tree and caches, and see no keys.",
    "Tests that need docker's socket or files in HOME fail in it; `pitboss demo --sandbox bwrap` shows a run in it.",
)


@command()
def init() -> None:
    """Prepare this repository for pitboss.

    Makes .pitboss/ with a commented config.toml and one example prompt that changes nothing, and adds
    .pitboss/ to .gitignore. Existing files are kept; running it again is safe.
    """
    from pitboss.git.whereabouts import FROM_BARE, is_bare

    root = project_root()
    if is_bare(root):
        raise CommandError(f"{root} is a bare repository", hint=FROM_BARE)
    configured = config_path(root).exists()
    done = list(_prepare(root))
    for line in done or [f"nothing to do: {root} is ready for pitboss"]:
        say(line)
    if not configured:
        note(f"note: a run ends once it has cost $10: [grind.budgets] max_cost_usd in {config_path(root)}")
    for line in (*_used(root), *_advice(root, changed=bool(done))):
        note(line)


def _used(root: Path) -> Iterator[str]:
    """Let `doctor` run the agents that this repository names from now on; list them the first time."""
    import os

    from pitboss.errors import InputError
    from pitboss.store.config import load_config
    from pitboss.trust import look

    if not in_git(root):
        return
    try:
        trust = look(root, load_config(root), os.environ)
    except InputError:
        return
    if trust.new:
        new = ", ".join(map(str, trust.new))
        yield f"note: this repository brings its own agents, and `pitboss doctor` may run them: {new}"
    trust.grant()


def _prepare(root: Path) -> Iterator[str]:
    """Do what has not been done yet; yield a line for each step."""
    try:
        yield from _make_folders(root)
        if not config_path(root).exists():
            yield _created(config_path(root), _configured())
        if not any(prompts_dir(root).iterdir()):
            yield _created(prompts_dir(root) / "hello.md", template("hello.md"))
        yield from _ignore(root / ".gitignore")
    except OSError as error:
        if error.errno in FULL:
            raise
        raise CommandError(f"cannot prepare {root}: {error.filename}: {error.strerror}") from error


def _configured() -> str:
    """The configuration, with what was seen of the sandbox; on a terminal the user may switch it on at once."""
    import os

    from pitboss.core.config import SandboxMode, SandboxSettings
    from pitboss.sandbox_trial import try_sandbox

    text = template("config.toml")
    try:
        seen = try_sandbox(SandboxSettings(mode=SandboxMode.BWRAP), os.environ)
    except StartError as error:
        return text.replace(_SECTION, f"{_SECTION}# Not tried: {one_line(error.message)}\n")
    text = text.replace(_SECTION, f"{_SECTION}# Tried by `pitboss init`: {one_line(seen.finding, 400)}\n")
    wanted = seen.works and seen.holds and has_terminal() and _agreed()
    return text.replace(_OFF, _ON) if wanted else text


def _agreed() -> bool:
    for line in _QUESTION:
        note(line)
    return answered_yes("Switch it on?")


def _make_folders(root: Path) -> Iterator[str]:
    for folder in (prompts_dir(root), rotations_dir(root)):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            yield f"created {folder}/"


def _created(path: Path, text: str) -> str:
    create(path, text)
    return f"created {path}"


def _ignore(path: Path) -> Iterator[str]:
    """Append our line to .gitignore unless it is there, with the file's own line ending."""
    content = path.read_bytes() if path.exists() else b""
    if any(line.strip() in _SAME_AS_IGNORED for line in content.splitlines()):
        return
    ending = b"\r\n" if b"\r\n" in content else b"\n"
    before = ending if content and not content.endswith(b"\n") else b""
    append_durable(path, before + _IGNORED + ending, mode=0o644)
    yield f"added {_IGNORED.decode()} to {path}"


def _advice(root: Path, *, changed: bool) -> Iterator[str]:
    if not in_git(root):
        yield f"note: {root} is not in a git repository; run `git init` and commit before `pitboss grind`"
    elif changed:
        commit = "commit .gitignore (a run needs a clean working tree), then " if _to_commit(root) else ""
        yield f"next: {commit}`pitboss grind --dry-run`"


def _to_commit(root: Path) -> bool:
    """Whether .gitignore is to be committed; yes where git cannot tell."""
    from pitboss.errors import PitbossError
    from pitboss.git.repo import Repo

    try:
        return bool(Repo.discover(root).git("status", "--porcelain", "--", ".gitignore"))
    except PitbossError:
        return True
