"""`pitboss prompts`: lists, creates, checks and shows prompts (SPEC 2, 8)."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import DeclaredGroup, argument, option
from pitboss.cli.shared.given import path as a_path
from pitboss.cli.shared.project import create, project_root
from pitboss.core.fields import Wrong
from pitboss.core.prompt import PromptSource, parse_prompt, prompt_name
from pitboss.core.prompt_import import Imported, import_prompt
from pitboss.core.prompt_template import new_prompt, unedited
from pitboss.core.slash_commands import unexpanded
from pitboss.errors import CommandError
from pitboss.screens.columns import Column
from pitboss.screens.output import fields, note, path_in_words, say, write_json
from pitboss.screens.table import say_table
from pitboss.store import paths
from pitboss.store.config import load_config
from pitboss.store.library import configured_prompts_dir, discover_prompts, doubles, find_prompt
from pitboss.store.user_text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.core.prompt import PromptDoc
    from pitboss.errors import Problem
    from pitboss.store.library import Library, Shadowed

SKILL = "SKILL.md"
"""The file that makes a folder a skill."""

_COLUMNS = (
    Column("NAME", 4, 40),
    *(Column(head, len(head), 10) for head in ("SOURCE", "WEIGHT", "EVERY", "VERIFY")),
    Column("PATH", 10, 1000, grows=True, keeps_end=True),
)

_prompts_dir = option(
    "--prompts-dir",
    type=a_path,
    metavar="DIR",
    help="Search this folder only, not the project's or the global one.",
)
_as_json = option("--json", "as_json", is_flag=True, help="Print JSON.")


prompts = DeclaredGroup("prompts", "List, create, check and show prompts.")


@prompts.command("ls")
@_prompts_dir
@_as_json
def list_prompts(prompts_dir: Path | None, as_json: bool) -> int:
    """List the prompts that a run would find; exit code 1 when a file is wrong.

    JSON: {"prompts": [...], "shadowed": [{name, path, used_path}], "problems": [{file, line, field, reason}]},
    each prompt with its name, source, path and every setting.
    """
    library = _library(prompts_dir)
    if as_json:
        write_json(_listing(library))
    elif library.prompts:
        say_table(_COLUMNS, [_row(prompt) for prompt in library.prompts.values()])
    else:
        say("no prompts discovered")
    if not as_json:
        _print_shadowed(library.shadowed)
    _print_errors(library.problems)
    return 1 if library.problems else 0


@prompts.command(asks_click=True)
@argument("name", required=False)
@option(
    "--from",
    "source",
    type=a_path,
    metavar="FILE",
    help="Import a command, skill or subagent of Claude Code, or plain text.",
)
@option("--global", "shared", is_flag=True, help="Create it in ~/.pitboss, for all projects.")
@option("--dir", "folder", type=a_path, metavar="DIR", help="Create it in this folder.")
def new(name: str | None, source: Path | None, shared: bool, folder: Path | None) -> None:
    """Create a commented prompt to start from, or import a file with --from.

    --from keeps the text, description and model, and says what it dropped and what to use instead. Without NAME,
    the prompt gets the name in the file, or the file's own name.
    """
    from click import UsageError

    if shared and folder is not None:
        raise UsageError("--global and --dir cannot be combined")
    if name is None and source is None:
        raise UsageError("Missing argument 'NAME'")
    try:
        made = _template(name) if source is None else _imported(source, name)
    except Wrong as wrong:
        raise CommandError(f"the prompt's name {wrong}") from None
    path = (folder or _default_folder(shared=shared)) / f"{made.name}.md"
    try:
        create(path, made.text)
    except FileExistsError:
        raise CommandError(f"refusing to overwrite {path_in_words(path)}") from None
    say(f"created {path_in_words(path)}")
    for text in made.notes:
        note(f"note: {text}")
    _warn([parse_prompt(made.text, path=path_in_words(path), source=PromptSource.PROJECT)])


@prompts.command()
@_prompts_dir
def validate(prompts_dir: Path | None) -> int:
    """Check every prompt file in one pass; exit code 1 when a file is wrong."""
    library = _library(prompts_dir)
    good = library.prompts.values()
    empty = [problem for prompt in good if (problem := unedited(prompt))]
    bad_files = _print_errors([*library.problems, *empty])
    for text in doubles(library):
        note(f"warning: {text}")
    _warn(good)
    say(_counted(len(good) - len(empty) + len(library.shadowed), bad_files))
    return 1 if bad_files else 0


@prompts.command()
@argument("name", shell_complete=completing.prompts)
@_prompts_dir
@_as_json
def show(name: str, prompts_dir: Path | None, as_json: bool) -> None:
    """Show a prompt: where it is, all its settings, and its body.

    JSON: one prompt as in `ls --json`, with its body.
    """
    prompt = find_prompt(_library(prompts_dir), name)
    if as_json:
        write_json({**_described(prompt), "body": prompt.body})
        return
    fields((key, _spelled(value)) for key, value in _described(prompt).items())
    say()
    say(prompt.body.removesuffix("\n"))


def _library(prompts_dir: Path | None) -> Library:
    root, home = project_root(), Path.home()
    if prompts_dir is None:
        prompts_dir = configured_prompts_dir(root, load_config(root), home)
    return discover_prompts(root, prompts_dir, home)


def _template(name: str | None) -> Imported:
    called = prompt_name(name)
    return Imported(name=called, text=new_prompt(called))


def _imported(source: Path, name: str | None) -> Imported:
    """The prompt made from `source`, a file or a skill's folder."""
    file = source / SKILL if source.is_dir() else source
    skill = file.name == SKILL
    stem = file.absolute().parent.name if skill else file.stem
    made = import_prompt(read_text(file), file=path_in_words(file), name=name, stem=stem)
    others = sorted(other.name for other in file.absolute().parent.iterdir() if skill and other.name != SKILL)
    if not others:
        return made
    folder = path_in_words(file.absolute().parent)
    left = f"not copied: {', '.join(others)} from {folder}; name their paths in the text"
    return msgspec.structs.replace(made, notes=(*made.notes, left))


def _default_folder(*, shared: bool) -> Path:
    """The folder where discovery will find a new prompt."""
    if shared:
        return paths.prompts_dir(Path.home())
    root = project_root()
    return configured_prompts_dir(root, load_config(root), Path.home()) or paths.prompts_dir(root)


def _described(prompt: PromptDoc) -> dict[str, Any]:
    settings = msgspec.structs.asdict(prompt.meta)
    where = {"source": prompt.source_kind, "path": path_in_words(prompt.source_path)}
    return {"name": settings.pop("name"), **where, **settings}


def _listing(library: Library) -> dict[str, Any]:
    return {
        "prompts": [_described(prompt) for prompt in library.prompts.values()],
        "shadowed": [
            {key: path_in_words(value) for key, value in msgspec.structs.asdict(shadowed).items()}
            for shadowed in library.shadowed
        ],
        "problems": [
            {"file": path_in_words(p.file), "line": p.line, "field": p.field, "reason": p.reason}
            for p in library.problems
        ],
    }


def _row(prompt: PromptDoc) -> tuple[str, ...]:
    meta = prompt.meta
    path = path_in_words(prompt.source_path)
    return (meta.name, prompt.source_kind, str(meta.weight), str(meta.every), _spelled(meta.verify), path)


def _print_shadowed(shadowed: Iterable[Shadowed]) -> None:
    for hidden in shadowed:
        note(f"note: '{hidden.name}' in {hidden.path} is not used: {hidden.used_path} comes first")


def _print_errors(problems: Iterable[Problem]) -> int:
    """Print one line per bad file, `error: FILE: why`, as scripts expect; returns how many there are."""
    bad_files = 0
    for file, found in groupby(problems, key=lambda problem: problem.file):
        note(f"error: {file}: {'; '.join(map(_why, found))}")
        bad_files += 1
    return bad_files


def _counted(good: int, bad: int) -> str:
    """How many files are good and bad; elsewhere than on a terminal, in the words that scripts look for (SPEC 8)."""
    if not sys.stdout.isatty():
        return f"{good} prompt(s) ok, {bad} error(s)"
    return f"{good} {'prompt' if good == 1 else 'prompts'} ok, {bad} {'error' if bad == 1 else 'errors'}"


def _warn(good: Iterable[PromptDoc]) -> None:
    """Print a warning for each valid prompt that looks odd."""
    for prompt in good:
        if problem := unexpanded(prompt):
            note(f"warning: {problem}")


def _why(problem: Problem) -> str:
    line = None if problem.line is None else f"line {problem.line}"
    return ": ".join(part for part in (line, problem.field, problem.reason) if part is not None)


def _spelled(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(value) or "none"
        case _:
            return str(value)
