"""Files that a session's own new ignore rules hide: where they are, and who says so (SPEC 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import configure, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

HIDES = "echo out/ >>.gitignore; mkdir -p out; echo hidden >out/file.txt; echo seen >seen.txt"
WORDS = "files that its own ignore rules hide"
BIG = "head -c 2000000 /dev/zero >out/big"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


@pytest.mark.parametrize(
    ("mode", "script", "where", "rescues"),
    [
        ("in-place", HIDES, "stay in the tree", 0),
        ("in-place", f"{HIDES}; {BIG}", "stay in the tree", 0),
        ("worktree", HIDES, "are kept under a rescue ref", 1),
        ("worktree", f"{HIDES}; {BIG}", "are in set-aside/session-0001", 0),
    ],
)
def test_they_do_not_land_and_the_sessions_line_says_where_they_are(
    project: Project, mode: str, script: str, where: str, rescues: int
) -> None:
    configure(project, grind=f'mode = "{mode}"\nrescue_ignored_mb = 1')
    project.prompt("alpha", script, max_runs=1)
    done = project.pitboss("grind")
    run = the_run(project)
    assert verdict(run.record("alpha")) == ("ok", None, True, rescues)
    assert run.record("alpha")["hidden"] == f"{WORDS} {where}"
    assert set(run.files(run.branch)) == {".gitignore", "seen.txt"}
    assert f"({WORDS} {where})" in done.err
    assert f"- hidden: {WORDS} {where}\n" in (run.folder / "sessions.md").read_text()
    if rescues:
        assert run.rescued("alpha")["out/file.txt"] == "hidden\n"
    else:
        place = project.root if mode == "in-place" else run.folder / "set-aside/session-0001"
        assert (place / "out/file.txt").read_text() == "hidden\n"


@pytest.mark.parametrize(
    "script",
    [HIDES, "mkdir in; cd in; git init -q; echo page >page.txt"],
    ids=["hidden files", "a repository"],
)
def test_a_run_that_leaves_what_its_branch_has_a_place_for_alone_stays_there(
    project: Project, script: str
) -> None:
    configure(project)
    project.prompt("alpha", script, max_runs=1)
    done = project.pitboss("grind")
    assert "files would show there that belong to this branch" in done.err
    assert project.git("branch", "--show-current").strip() == the_run(project).branch
    assert project.git("status", "--porcelain") == ""
    project.prompt("alpha", "echo two >two.txt", max_runs=1)
    assert project.pitboss("grind").code == 0


def test_a_failed_session_in_the_users_tree_leaves_none_of_them_there(project: Project) -> None:
    configure(project, grind="rescue_ignored_mb = 1")
    project.prompt("alpha", f"{HIDES}; {BIG}; exit 1", max_runs=1)
    project.pitboss("grind")
    run = the_run(project)
    assert run.record("alpha")["hidden"] == f"{WORDS} are in set-aside/session-0001"
    assert (run.folder / "set-aside/session-0001/out/file.txt").read_text() == "hidden\n"
    assert not (project.root / "out").exists()
    assert project.git("status", "--porcelain") == ""


def test_what_was_ignored_before_is_not_the_sessions_and_stays_where_it_is(project: Project) -> None:
    project.write(".gitignore", ".pitboss/\ncache/\n.env\n")
    project.commit("Rules")
    project.write(".env", "secret\n")
    project.write("cache/old", "cached\n")
    project.write("venv/.gitignore", "*\n")
    project.write("venv/lib/old", "library\n")
    configure(project)
    script = f"{HIDES}; echo new >cache/new; echo changed >.env; echo new >venv/lib/new; exit 1"
    project.prompt("alpha", script, max_runs=1)
    project.pitboss("grind")
    run = the_run(project)
    assert set(run.rescued("alpha")) == {".gitignore", "seen.txt", "out/file.txt"}
    assert (project.root / ".env").read_text() == "changed\n"
    assert {path.name for path in (project.root / "venv/lib").iterdir()} == {"old", "new"}


def test_what_a_set_up_made_is_not_the_sessions(project: Project) -> None:
    setup = "mkdir -p venv/lib; echo '*' >venv/.gitignore; echo library >venv/lib/old"
    configure(project, grind='mode = "worktree"', more=f'[grind.worktree]\nclean = "all"\nsetup = "{setup}"')
    project.prompt("alpha", HIDES, max_runs=1, weight=2)
    project.prompt("beta", "echo two >two.txt", max_runs=1)
    project.pitboss("grind")
    run = the_run(project)
    assert set(run.rescued("alpha")) == {"out/file.txt"}
    assert verdict(run.record("beta")) == ("ok", None, True, 0)
    assert not (run.folder / "set-aside").exists()
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/pitboss").split()
    assert refs == run.record("alpha")["rescue"]


def test_a_resumed_run_says_the_same(project: Project) -> None:
    configure(project, grind='mode = "worktree"\nrescue_ignored_mb = 1', more="[grind.hooks]")
    project.prompt("alpha", f"{HIDES}; {BIG}; kill -9 $(cut -d' ' -f4 /proc/$PPID/stat) $PPID", max_runs=1)
    project.pitboss("grind")
    assert project.pitboss("grind", "--resume").code in (0, 1)
    run = the_run(project)
    assert run.record("alpha")["status"] == "aborted"
    assert run.record("alpha")["hidden"] == f"{WORDS} are in set-aside/session-0001"
    assert (run.folder / "set-aside/session-0001/out/file.txt").read_text() == "hidden\n"
    assert set(run.rescued("alpha")) == {".gitignore", "seen.txt"}


def test_a_folder_that_hides_itself_is_moved_when_it_is_more_than_the_configured_amount(
    project: Project,
) -> None:
    configure(project, grind='mode = "worktree"\nrescue_ignored_mb = 1')
    script = "mkdir out; echo '*' >out/.gitignore; head -c 2000000 /dev/zero >out/big; echo one >out/small"
    project.prompt("alpha", script, max_runs=1)
    project.pitboss("grind")
    run = the_run(project)
    assert (run.folder / "set-aside/session-0001/out/small").read_text() == "one\n"
    assert project.git("for-each-ref", "refs/pitboss") == ""


def test_what_hides_itself_is_kept_when_others_landed_a_file_of_its_name(project: Project) -> None:
    configure(project, grind="max_parallel = 2", more='[tests]\ncommand = "true"')
    landed = "git cat-file -e pitboss/grind/$PITBOSS_RUN_ID:out/file.txt"
    hides = "mkdir out; echo '*' >out/.gitignore; echo mine >out/file.txt; echo a >a.txt"
    waits = f"for i in $(seq 300); do {landed} 2>/dev/null && break; sleep 0.1; done"
    project.prompt("alpha", f"{hides}; {waits}", max_runs=1, parallel_safe=True, verify=True)
    project.prompt("bravo", "mkdir out; echo theirs >out/file.txt", max_runs=1, parallel_safe=True)
    done = project.pitboss("grind")
    assert done.code == 0, done
    run = the_run(project)
    assert run.files(run.branch)["out/file.txt"] == "theirs\n"
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/pitboss/rescue").split()
    assert "mine\n" in [project.git("cat-file", "blob", f"{ref}:out/file.txt") for ref in refs]


@pytest.mark.parametrize(
    "file",
    ["$(git rev-parse --git-common-dir)/info/exclude", "$HOME/.config/git/ignore", "$HOME/rules"],
    ids=["info/exclude", "the user's own", "core.excludesFile"],
)
def test_a_rule_outside_the_tree_hides_nothing_from_later_sessions_either(
    project: Project, file: str
) -> None:
    if file.endswith("rules"):
        project.git("config", "core.excludesFile", "~/rules")
    configure(project, grind='mode = "worktree"')
    rule = f'mkdir -p "$(dirname "{file}")"; echo "file-*" >>"{file}"'
    project.prompt("alpha", f"{rule}; echo one >file-1", max_runs=1, weight=2)
    project.prompt("beta", "echo two >file-2", max_runs=1)
    project.pitboss("grind")
    run = the_run(project)
    assert run.rescued("alpha")["file-1"] == "one\n"
    assert run.rescued("beta")["file-2"] == "two\n"
    assert run.record("beta")["hidden"] == f"{WORDS} are kept under a rescue ref"
