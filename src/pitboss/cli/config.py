"""`pitboss config`: where settings and files are, and every setting in force with where it comes from (SPEC 8)."""

from __future__ import annotations

import os
from pathlib import Path

from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.project import project_root
from pitboss.screens.output import fields, note, path_in_words, write_json


@command()
@option("--effective", is_flag=True, help="Print every setting in force, and where it comes from.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def config(*, effective: bool, as_json: bool) -> None:
    """Print where pitboss looks for settings, prompts and runs; with --effective, every setting in force.

    Secrets are redacted.
    """
    root = project_root()
    if effective:
        _print_effective(root, as_json=as_json)
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


def _print_effective(root: Path, *, as_json: bool) -> None:
    import json
    import tomllib

    from pitboss.core.effective import effective
    from pitboss.core.embed import one_line
    from pitboss.core.redact import Secrets
    from pitboss.store.config import load_config
    from pitboss.store.paths import config_path
    from pitboss.store.user_text import read_text

    loaded, path = load_config(root), config_path(root)
    written = tomllib.loads(read_text(path)) if os.path.lexists(path) else {}
    found = effective(loaded, written, Secrets.of(os.environ))
    if as_json:
        write_json(found)
        return
    for text in loaded.warnings:
        note(f"warning: {text}")
    width = max(len(setting.key) for setting in found)
    fields(
        (
            setting.key.ljust(width),
            f"{setting.source:<7}  {one_line(json.dumps(setting.value, ensure_ascii=False))}",
        )
        for setting in found
    )
