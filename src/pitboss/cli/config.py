"""`pitboss config`: where settings and files are, and every setting in force with where it comes from (SPEC 8)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.project import project_root
from pitboss.errors import StartError
from pitboss.screens.output import fields, note, path_in_words, write_json

if TYPE_CHECKING:
    from pitboss.core.config import Config
    from pitboss.core.effective import EffectiveSetting


@command()
@option("--effective", is_flag=True, help="Print every setting in force, and where it comes from.")
@option("--prompt", metavar="NAME", help="With --effective: also what the frontmatter of this prompt says.")
@option(
    "--run",
    metavar="RUN_ID",
    shell_complete=completing.run_ids,
    help="With --effective: as this run has them, with its command line and budgets.",
)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def config(*, effective: bool, prompt: str | None, run: str | None, as_json: bool) -> None:
    """Print where pitboss looks for settings, prompts and runs; with --effective, every setting in force.

    Secrets are redacted.
    """
    if (prompt or run) and not effective:
        raise StartError("--prompt and --run go with --effective", hint="`pitboss config --help` says more")
    root = project_root()
    if effective:
        _print_effective(root, prompt, run, as_json=as_json)
        return
    paths = _paths(root)
    if as_json:
        write_json(paths)
        return
    missing = {name: "" if os.path.lexists(path) else " (missing)" for name, path in paths.items()}
    fields((name, f"{path_in_words(path)}{missing[name]}") for name, path in paths.items())


def _paths(root: Path) -> dict[str, str]:
    from pitboss.store import paths

    home = Path.home()
    return {
        "config": str(paths.config_path(root)),
        "prompts": str(paths.prompts_dir(root)),
        "global_prompts": str(paths.prompts_dir(home)),
        "rotations": str(paths.rotations_dir(root)),
        "queue": str(paths.queue_dir(root)),
        "runs": str(paths.runs_dir(root)),
    }


def _print_effective(root: Path, prompt: str | None, run: str | None, *, as_json: bool) -> None:
    import json

    from pitboss.core.embed import one_line
    from pitboss.store.config import load_config

    loaded = load_config(root)
    found = _in_force(root, loaded, prompt, run)
    if as_json:
        write_json(found)
        return
    for text in loaded.warnings:
        note(f"warning: {text}")
    keys, sources = max(len(each.key) for each in found), max(len(_source(each)) for each in found)
    fields(
        (
            setting.key.ljust(keys),
            f"{_source(setting):<{sources}}  {one_line(json.dumps(setting.value, ensure_ascii=False))}",
        )
        for setting in found
    )


def _in_force(root: Path, loaded: Config, prompt: str | None, run: str | None) -> list[EffectiveSetting]:
    from pitboss.core.effective import effective, for_prompt, for_run
    from pitboss.core.redact import Secrets
    from pitboss.core.toml import parse_toml
    from pitboss.store.paths import config_path
    from pitboss.store.user_text import read_text

    path = config_path(root)
    written = parse_toml(read_text(path), _shown(path, root)) if os.path.lexists(path) else None
    found = effective(loaded, written, Secrets.of(os.environ), os.environ)
    if run is not None:
        from pitboss.cli.shared.chosen import chosen_run
        from pitboss.core.budget import Caps
        from pitboss.core.selection import Selection
        from pitboss.store.catalogue import read_state
        from pitboss.store.paths import RunPaths

        state = read_state(RunPaths(root, chosen_run(root, run)))
        found = for_run(found, state.selection or Selection(), state.caps or Caps())
    if prompt is not None:
        from pitboss.core.frontmatter import split_frontmatter
        from pitboss.store.library import configured_prompts_dir, discover_prompts, find_prompt

        library = discover_prompts(root, configured_prompts_dir(root, loaded, Path.home()), Path.home())
        doc = find_prompt(library, prompt)
        front, _ = split_frontmatter(read_text(Path(doc.source_path)), _shown(Path(doc.source_path), root))
        found = for_prompt(found, doc.meta, front)
    return found


def _shown(path: Path, root: Path) -> str:
    """A path as messages name it: relative to the repository if it is in there."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _source(setting: EffectiveSetting) -> str:
    """Where a value comes from, in a word or two: `default`, `config.toml:12`, `config.toml:12 $HOOK (not set)`."""
    where = str(setting.source)
    if setting.file is not None:
        name = path_in_words(Path(setting.file).name)
        where = name if setting.line is None else f"{name}:{setting.line}"
    named = (f" ${name}{'' if is_set else ' (not set)'}" for name, is_set in setting.variables.items())
    return where + "".join(named)
