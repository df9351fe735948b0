"""Finds the prompts and rotations that a run may use (SPEC 2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.config import Config
from pitboss.core.fields import suggestion
from pitboss.core.prompt import PromptDoc, PromptSource, parse_prompt
from pitboss.core.prompt_template import unedited
from pitboss.core.rotation import (
    DEFAULT_ROTATION,
    Rotation,
    default_rotation,
    parse_rotation,
    select_by_names,
    select_by_tags,
)
from pitboss.core.selection import Selection
from pitboss.errors import CommandError, InputError, Problem
from pitboss.store import paths
from pitboss.store.config import load_config
from pitboss.store.user_text import read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EVERYTHING = Selection()
"""All prompts that are found."""

_HINT = "`pitboss prompts validate` checks all prompts"


class Shadowed(msgspec.Struct, frozen=True, kw_only=True):
    """A valid prompt that is not used, because an earlier file defines its name."""

    name: str
    path: str
    used_path: str


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """Every prompt found, in order of discovery, and every problem met on the way."""

    prompts: dict[str, PromptDoc] = {}
    problems: tuple[Problem, ...] = ()
    shadowed: tuple[Shadowed, ...] = ()


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run reads from files that users write."""

    config: Config
    library: Library
    rotation: Rotation
    warnings: tuple[str, ...] = ()


def load_inputs(
    repo: Path,
    *,
    home: Path,
    choice: Selection = EVERYTHING,
    rotation: str | None = None,
    kept: Mapping[str, PromptDoc] | None = None,
) -> Inputs:
    """Load config, prompts and rotation; raises one InputError with the problems of all three (SPEC 5).

    `rotation` is the one to load, else the configuration says. A prompt that takes part and still has the template's
    text is a problem too. Raises StartError when a prompt that `choice` names takes no part, or none has any of its
    tags. If the choice is that of an earlier start, `kept` are the texts that its run holds on to, by file: they stand
    in for files that are no prompts, with a warning, and names that are gone since then are left out. A library without
    prompts is not an error here.
    """
    config, config_problems = _load_config(repo)
    folder = repo / choice.prompts_dir if choice.prompts_dir else configured_prompts_dir(repo, config, home)
    found = discover_prompts(repo, folder, home)
    found, warnings = _with_kept(found, kept or {})
    library = msgspec.structs.replace(found, problems=(*config_problems, *found.problems))
    try:
        chosen = load_rotation(repo, rotation or config.grind.default_rotation, library)
    except InputError as error:
        hint = _HINT if found.problems else None
        raise InputError((*library.problems, *error.problems), hint=hint) from None
    if library.problems:
        raise InputError(library.problems, hint=_HINT if found.problems else None)
    taking_part = _chosen(chosen, library, choice, kept=kept is not None)
    empty = [problem for name in taking_part.prompt_names if (problem := unedited(library.prompts[name]))]
    if empty:
        raise InputError(empty, hint=_HINT)
    return Inputs(config=config, library=library, rotation=taking_part, warnings=(*doubles(found), *warnings))


def _with_kept(found: Library, kept: Mapping[str, PromptDoc]) -> tuple[Library, tuple[str, ...]]:
    """`found` with `kept` prompts in place of files that are no prompts any more, and a warning for each problem."""
    spoilt = {problem.file for problem in found.problems}
    docs = [doc for file, doc in kept.items() if file in spoilt and doc.meta.name not in found.prompts]
    files = {doc.source_path for doc in docs}
    settled = [str(problem) for problem in found.problems if problem.file in files]
    library = msgspec.structs.replace(
        found,
        prompts=found.prompts | {doc.meta.name: doc for doc in docs},
        problems=tuple(problem for problem in found.problems if problem.file not in files),
    )
    return library, tuple(f"{text}; the run goes on with the text that it had" for text in settled)


def _chosen(rotation: Rotation, library: Library, choice: Selection, *, kept: bool) -> Rotation:
    names = [name for name in choice.names if name in rotation.prompt_names] if kept else choice.names
    if choice.names and not names:
        return msgspec.structs.replace(rotation, entries=())
    return select_by_tags(select_by_names(rotation, names, library.prompts), library.prompts, choice.tags)


def configured_prompts_dir(repo: Path, config: Config, home: Path) -> Path | None:
    """`[grind] prompts_dir`; `~` means `home`, and relative paths start at the repository's root."""
    if config.grind.prompts_dir is None:
        return None
    path = Path(config.grind.prompts_dir)
    return home.joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else repo / path


def discover_prompts(repo: Path, prompts_dir: Path | None, home: Path) -> Library:
    """Read `prompts_dir` alone if given, else the project's prompts and then the global ones.

    The first file to define a name wins (SPEC 2). Bad files become problems; nothing is raised.
    """
    prompts: dict[str, PromptDoc] = {}
    problems: list[Problem] = []
    shadowed: list[Shadowed] = []
    for folder, source in _folders(repo, prompts_dir, home):
        for prompt in _read_folder(folder, source, problems):
            name = prompt.meta.name
            used = prompts.setdefault(name, prompt)
            if used is not prompt:
                shadowed.append(Shadowed(name=name, path=prompt.source_path, used_path=used.source_path))
    return Library(prompts=prompts, problems=tuple(problems), shadowed=tuple(shadowed))


def doubles(library: Library) -> tuple[str, ...]:
    """A warning for each file whose name another in its folder has: probably a copy that was to be another prompt."""
    return tuple(
        f"{double.path} is not used: {double.used_path} defines '{double.name}' too"
        for double in library.shadowed
        if os.path.dirname(double.path) == os.path.dirname(double.used_path)  # noqa: PTH120 - these are texts
    )


def find_prompt(library: Library, name: str) -> PromptDoc:
    """The prompt of that name. Raises InputError if its file is wrong, CommandError if there is none."""
    prompt = library.prompts.get(name)
    if prompt is not None:
        return prompt
    in_its_file = [problem for problem in library.problems if Path(problem.file).stem == name]
    if in_its_file:
        raise InputError(in_its_file)
    raise CommandError(
        f"no prompt is named '{name}'{suggestion(name, library.prompts)}",
        hint="`pitboss prompts ls` lists all prompts",
    )


def load_rotation(repo: Path, name: str | None, library: Library) -> Rotation:
    """Return the rotation called `name`; all prompts if no name is given, or if `default` has no file.

    Raises InputError. A prompt that is not in the library counts as unknown only if the library has no problems:
    otherwise an unreadable file may define it.
    """
    if name is None:
        return default_rotation(tuple(library.prompts.values()))
    files = {file.stem: file for file in _rotation_files(repo)}
    if name in files:
        known = None if library.problems else library.prompts
        return parse_rotation(read_text(files[name]), name=name, path=os.fspath(files[name]), known=known)
    if name == DEFAULT_ROTATION:
        return default_rotation(tuple(library.prompts.values()))
    raise InputError([_no_such_rotation(repo, name, files)])


def _load_config(repo: Path) -> tuple[Config, tuple[Problem, ...]]:
    try:
        return load_config(repo), ()
    except InputError as error:
        return Config(), error.problems


def _folders(repo: Path, prompts_dir: Path | None, home: Path) -> list[tuple[Path, PromptSource]]:
    if prompts_dir is not None:
        return [(prompts_dir, PromptSource.OVERRIDE)]
    project = (paths.prompts_dir(repo), PromptSource.PROJECT)
    shared = (paths.prompts_dir(home), PromptSource.GLOBAL)
    return [project] if os.path.realpath(project[0]) == os.path.realpath(shared[0]) else [project, shared]


def _read_folder(folder: Path, source: PromptSource, problems: list[Problem]) -> list[PromptDoc]:
    found: list[PromptDoc] = []
    try:
        files = _files(folder, ".md")
    except InputError as error:
        problems += error.problems
        return found
    for file in files:
        try:
            found.append(parse_prompt(read_text(file), path=os.fspath(file), source=source))
        except InputError as error:
            problems += error.problems
    return found


def _files(folder: Path, suffix: str) -> list[Path]:
    """The files called `*SUFFIX` at the top of a folder, by name; hidden ones are skipped.

    A missing folder has no files; one that cannot be listed raises InputError.
    """
    try:
        files = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError([Problem(os.fspath(folder), f"cannot be listed: {error.strerror}")]) from None
    return [file for file in files if file.suffix == suffix and not file.name.startswith(".")]


def _rotation_files(repo: Path) -> list[Path]:
    return _files(paths.rotations_dir(repo), ".toml")


def _no_such_rotation(repo: Path, name: str, there_are: Collection[str]) -> Problem:
    listed = f"existing rotations: {', '.join(there_are)}" if there_are else "there are no rotations"
    reason = f"no rotation is named '{name}'{suggestion(name, there_are)} ({listed})"
    return Problem(os.fspath(paths.rotations_dir(repo)), reason)
