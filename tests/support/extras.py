"""An installation without some extra: its packages cannot be found, as if nobody had installed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Project

_HIDE = """\
import importlib.util, sys
from importlib.abc import MetaPathFinder

hidden = {names!r}

class Hider(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in hidden:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hider())
whole = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in hidden else whole(name, package)
"""


def hide(project: Project, folder: Path, *names: str) -> None:
    """From now on the commands of the project do not find these packages; `folder` is made for that."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_HIDE.format(names=names))
    project.env["PYTHONPATH"] = str(folder)
