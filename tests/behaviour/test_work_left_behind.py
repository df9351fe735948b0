"""Work that git could not rescue when its session ended: whatever runs next sees to it (SPEC 1.2, 1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Run, the_run

if TYPE_CHECKING:
    from pathlib import Path

GONE = "until cp -a .git/. {away}; do :; done; until rm -rf .git; do :; done"
"""As `mv` does between disks, even if the run writes there at that moment: one that is only moved comes back."""

REPLACED = f"{GONE}; mkdir .git; echo junk >.git/HEAD"
A_FILE = f"{GONE}; echo junk >.git"


class Scene:
    """A run whose first session wrote a file and took git's folder away, which the user then put back."""

    def __init__(self, tmp_path: Path, harm: str) -> None:
        self.project = project = Project.create(tmp_path / "repo")
        away = tmp_path / "away"
        script = f"[ $PITBOSS_SESSION_SEQ = 1 ] || exit 0; echo work >work.txt; {harm.format(away=away)}"
        project.prompt("alpha", script)
        self.done = project.pitboss("grind", "--max-iterations", "2")
        assert self.done.code == 70, self.done
        if (project.root / ".git").exists():
            (project.root / ".git").rename(tmp_path / "put-in-its-place")
        away.rename(project.root / ".git")

    @property
    def run(self) -> Run:
        return the_run(self.project)

    def kept(self) -> dict[str, str]:
        """What the first session's rescue ref holds."""
        return self.run.files(f"refs/pitboss/rescue/{self.run.run_id}/session-0001")


@pytest.mark.parametrize("harm", [GONE, REPLACED, A_FILE])
def test_the_hint_after_a_repository_was_gone_helps(tmp_path: Path, harm: str) -> None:
    scene = Scene(tmp_path, harm)
    run_id = scene.run.run_id
    assert (
        f"`pitboss repair {run_id}` and `pitboss grind --resume {run_id}` continue the run" in scene.done.err
    )
    planned = scene.project.pitboss("repair", run_id, "--dry-run")
    assert planned.out == "the work that session 1 left where it was is rescued\n"
    repaired = scene.project.pitboss("repair", run_id)
    assert repaired.code == 0, repaired
    assert f"is kept under refs/pitboss/rescue/{run_id}/session-0001" in repaired.err
    assert scene.kept()["work.txt"] == "work\n"
    assert scene.project.git("status", "--short") == ""
    assert scene.project.pitboss("repair", run_id, "--dry-run").out == "nothing to repair\n"
    resumed = scene.project.pitboss("grind", "--resume")
    assert (resumed.code, len(scene.run.records)) == (3, 2), resumed


def test_what_was_left_is_not_looked_for_once_somebody_works_elsewhere(tmp_path: Path) -> None:
    scene = Scene(tmp_path, GONE)
    scene.project.git("stash", "-qu")
    scene.project.git("switch", "-q", "main")
    (scene.project.root / "README.md").write_text("the user's\n")
    refused = scene.project.pitboss("repair", scene.run.run_id)
    assert (refused.code, "changes that no session made" in refused.err) == (4, True), refused
    assert scene.project.git("status", "--short") == " M README.md\n"
    scene.project.git("restore", ".")
    repaired = scene.project.pitboss("repair", scene.run.run_id)
    assert (repaired.code, "is not looked for" in repaired.err) == (0, True), repaired
    assert "unrescued" not in scene.run.state


def test_a_new_run_names_the_repair(tmp_path: Path) -> None:
    scene = Scene(tmp_path, GONE)
    done = scene.project.pitboss("grind")
    assert done.code == 4
    assert f"hint: session 1 of run {scene.run.run_id} left its work there: `pitboss repair" in done.err
    assert scene.project.git("status", "--short") == "?? work.txt\n"


def test_the_reason_of_an_expected_end_is_no_internal_error(tmp_path: Path) -> None:
    scene = Scene(tmp_path, GONE)
    assert scene.run.state["stop_reason"].endswith(
        ".git is no longer the git directory that the run began with"
    )


def test_a_repair_that_cannot_rescue_yet_says_so_and_keeps_it_for_later(tmp_path: Path) -> None:
    scene = Scene(tmp_path, GONE)
    run_id, objects = scene.run.run_id, scene.project.root / ".git/objects"
    config = scene.project.root / ".git/config"
    sound = config.read_text()
    config.write_text(f"{sound}[core]\n\tcompression = none\n")
    refused = scene.project.pitboss("repair", run_id)
    assert refused.code in (4, 70), refused
    assert "compression" in refused.err, refused
    config.write_text(sound)
    assert objects.is_dir()
    assert (scene.project.root / "work.txt").read_text() == "work\n"
    repaired = scene.project.pitboss("repair", run_id)
    assert repaired.code == 0, repaired
    assert scene.kept()["work.txt"] == "work\n"


def test_a_whole_repository_that_is_moved_is_told_and_goes_on_where_it_is(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    moved = tmp_path / "moved"
    project.prompt("alpha", f"echo work >work.txt; cd /; mv {project.root} {moved}")
    done = project.pitboss("grind", "--max-iterations", "3")
    assert done.code == 70
    assert f"error: {project.root} is gone: the repository is in {moved} now\n" in done.err
    assert "hint: nothing is lost: move it back, or `cd` to where it is; then `pitboss repair 2" in done.err
    assert len(done.err.split(" started (shell)")) == 2, "no agent is started where nothing is"
    project.root = moved
    repaired = project.pitboss("repair", the_run(project).run_id)
    assert repaired.code == 0, repaired
    assert the_run(project).files(f"refs/pitboss/rescue/{the_run(project).run_id}/session-0001") == {
        "work.txt": "work\n"
    }
