"""`make sandbox`: makes every attack, checks that the table in docs/sandbox.md says what came of it, and writes it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from tests.sandbox.attack import IN_PLACE, MODES, SLOTS
from tests.sandbox.attacks import all_attacks, families
from tests.sandbox.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.attack import Attack

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sandbox.md"
SCENES = ROOT / ".scenes"
"""Not below /tmp: a session has a /tmp of its own."""
BEGIN = "<!-- begin: written by make sandbox -->\n"
END = "<!-- end -->\n"
_WHERE = {MODES: "", (IN_PLACE,): " (in place)", (SLOTS,): " (in slots)"}


def main() -> int:
    """Make the attacks; write the table if it tells the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=MODES, help="only this one, and write nothing")
    parser.add_argument("--scenes", type=Path, default=None, help="where to set the scenes up")
    args = parser.parse_args()
    wrong = list(_surprises(args.scenes, MODES if args.mode is None else (args.mode,)))
    for line in wrong:
        print(line)
    if wrong:
        return 1
    if args.mode is None:
        PAGE.write_text(between_marks(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
    print("the table tells the truth")
    return 0


def _surprises(scenes: Path | None, modes: tuple[str, ...]) -> Iterator[str]:
    for mode in modes:
        for network in ("open", "none"):
            with scene_folder(scenes) as folder:
                trial = Trial(folder, all_attacks(), mode, sandbox=True, network=network)
                yield from (f"{mode}, network {network}: {line}" for line in trial.surprises())


@contextmanager
def scene_folder(scenes: Path | None = None) -> Iterator[Path]:
    """A folder for a scene, removed afterwards whatever a session left in it."""
    place = SCENES if scenes is None else scenes
    place.mkdir(exist_ok=True)
    folder = Path(mkdtemp(prefix="scene-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            place.rmdir()


def table() -> str:
    """Every attack with what comes of it, by families."""
    lines = []
    for family, attacks in families().items():
        lines += [f"### {_title(family)}", "", "| an agent tries to | stopped | why |", "|---|---|---|"]
        lines += [_row(attack) for attack in attacks.values()]
        lines.append("")
    return "\n" + "\n".join(lines)


def _row(attack: Attack) -> str:
    verdict = "yes" if attack.stopped else "**no**"
    return f"| {attack.tries}{_WHERE[attack.modes]} | {verdict} | {attack.why} |"


def _title(family: str) -> str:
    module = sys.modules[f"tests.sandbox.attacks.{family}"]
    return (module.__doc__ or family).partition(".")[0]


def between_marks(page: str, text: str) -> str:
    """`page` with `text` between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{text}{END}{after}"


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
