"""`rescue ls`, `show` and `apply` on the work of a session that did not land."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from pitboss.cli.shared.desk import RepositoryDesk
from pitboss.store.log import iter_records
from tests.behaviour.test_cli_observers import documented
from tests.support.cli import Project, finish, wait_until
from tests.support.runs import Gate, grinding, the_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project on `main` after a run whose one session failed and left a new file and a changed one."""
    project = Project.create(tmp_path_factory.mktemp("ground") / "project")
    project.prompt("fail", "echo half > half.txt\necho more >> README.md\nexit 3")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    project.git("checkout", "-q", "main")
    return project


@pytest.fixture
def project(ground: Project) -> Project:
    """The same, its tree as the last commit of `main` has it."""
    project = ground
    project.git("checkout", "-q", "-f", "main")
    project.git("reset", "-q", "--hard", project.git("rev-list", "--max-parents=0", "HEAD").strip())
    project.git("clean", "-q", "-f", "-d")
    return project


def the_ref(project: Project) -> dict[str, str]:
    (ref,) = project.pitboss("rescue", "ls", "--json").json()
    assert isinstance(ref, dict)
    return ref


def test_nothing_rescued_is_said(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")

    assert project.pitboss("rescue", "ls") == (0, "nothing was rescued\n", "")
    assert project.pitboss("rescue", "ls", "--json").json() == []


def test_refs_are_listed_with_commit_age_and_subject(project: Project) -> None:
    ref = the_ref(project)
    run_id = ref["name"].partition("/")[0]

    line = project.pitboss("rescue", "ls", run_id).out

    assert sorted(ref) == sorted(documented("rescue ls"))
    assert ref["ref"] == f"refs/pitboss/rescue/{run_id}/session-0001"
    assert ref["commit"] == project.git("rev-parse", ref["ref"]).strip()
    assert re.fullmatch(
        rf"{run_id}/session-0001  {ref['commit'][:7]}  {ref['made_at']} \(.+\)  of fail\n    exit code: 3\n",
        line,
    )
    assert ref["why"] == "exit_code: 3"


def test_a_ref_is_shown_as_commits_and_changes(project: Project) -> None:
    ref = the_ref(project)

    out = project.pitboss("rescue", "show", ref["ref"]).out

    assert out.startswith(f"commit {ref['commit']}\n")
    assert "\n+half\n" in out
    assert "\n+more\n" in out


def test_what_other_sessions_landed_before_is_not_shown(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("land", "echo landed > landed.txt", max_runs=1)
    project.prompt("more", "echo half > half.txt\nexit 3", every=2)
    assert project.pitboss("grind", "--max-iterations", "2").code == 3
    ref = the_ref(project)
    for where in (
        "main",
        project.git("for-each-ref", "--format=%(refname:short)", "refs/heads/pitboss").strip(),
    ):
        project.git("checkout", "-q", where)
        out = project.pitboss("rescue", "show", ref["ref"]).out
        assert "half.txt" in out
        assert "landed.txt" not in out


def test_applying_brings_the_changes_into_the_tree_and_commits_nothing(project: Project) -> None:
    ref = the_ref(project)

    done = project.pitboss("rescue", "apply", ref["name"])

    assert done == (
        0,
        f"changed README.md\nchanged half.txt\napplied {ref['name']}: 2 files changed, nothing committed\n",
        f"next: commit it; then `pitboss rescue drop {ref['name']}` takes it off the list\n",
    )
    assert project.git("status", "--porcelain").splitlines() == [" M README.md", "?? half.txt"]


def test_what_was_applied_is_listed_as_applied_and_needs_nobody(project: Project) -> None:
    ref, other = the_ref(project), project.git("rev-parse", "main").strip()
    (project.root / ".pitboss/grind/runs" / ref["name"]).parent.joinpath("applied/session-0001").unlink(
        missing_ok=True
    )
    assert "its work did not land and is kept" in project.pitboss("status").out

    assert project.pitboss("rescue", "apply", ref["name"]).code == 0

    assert "\n    applied; exit code: 3\n" in project.pitboss("rescue", "ls").out
    assert the_ref(project)["applied"]
    assert "its work did not land and is kept" not in project.pitboss("status").out
    project.git("update-ref", ref["ref"], other)
    assert not the_ref(project)["applied"], "another commit has not been applied"
    project.git("update-ref", ref["ref"], ref["commit"])


def test_a_conflict_is_named_and_changes_nothing(project: Project) -> None:
    project.write("README.md", "# Other\n")
    project.commit("Rename")
    ref = the_ref(project)

    done = project.pitboss("rescue", "apply", ref["name"])

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "conflict: README.md",
        f"error: {ref['name']} conflicts with this working tree; nothing was changed",
        f"hint: `git merge {ref['ref']}` lets you resolve it by hand",
    ]
    assert project.git("status", "--porcelain") == ""


def test_a_dirty_tree_is_refused(project: Project) -> None:
    project.write("mine.txt", "mine\n")

    done = project.pitboss("rescue", "apply", the_ref(project)["name"])

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: the working tree is not clean\nhint: ")
    assert project.git("status", "--porcelain") == "?? mine.txt\n"


def test_a_file_that_only_looks_changed_is_not_in_the_way(project: Project) -> None:
    os.utime(project.root / "README.md", (1, 1))

    assert project.pitboss("rescue", "apply", the_ref(project)["name"]).code == 0
    assert project.git("status", "--porcelain").splitlines() == [" M README.md", "?? half.txt"]


def test_changes_that_git_overlooks_are_not_overwritten(project: Project) -> None:
    project.git("update-index", "--skip-worktree", "README.md")
    project.write("README.md", "my own\n")
    name = the_ref(project)["name"]

    done = project.pitboss("rescue", "apply", name)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(
        f"error: cannot apply {name}: changes in README.md would be overwritten; nothing was changed\n"
    )
    assert (project.root / "README.md").read_text() == "my own\n"
    assert not (project.root / "half.txt").exists()
    project.git("update-index", "--no-skip-worktree", "README.md")


@pytest.fixture
def smudged(project: Project) -> Iterator[Callable[[str], None]]:
    """Sets what git runs before it writes `half.txt`, which comes after `README.md`."""
    attributes = project.root / ".git/info/attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("half.txt filter=odd\n")
    project.git("config", "filter.odd.required", "true")
    project.git("config", "filter.odd.clean", "cat")

    def smudge(command: str) -> None:
        project.git("config", "filter.odd.smudge", command)

    yield smudge
    attributes.unlink()


def test_what_cannot_be_applied_whole_is_not_applied_at_all(
    project: Project, smudged: Callable[[str], None]
) -> None:
    smudged("false")
    name = the_ref(project)["name"]

    done = project.pitboss("rescue", "apply", name)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: cannot apply {name}: ")
    assert "smudge filter odd failed; nothing was changed\nhint: see to what git complains about" in done.err
    assert project.git("status", "--porcelain") == ""


def test_ctrl_c_in_the_middle_takes_back_what_was_applied(
    project: Project, smudged: Callable[[str], None]
) -> None:
    smudged("sleep 0.5; touch .git/go; sleep 60")
    with project.started("rescue", "apply", the_ref(project)["name"]) as process:
        wait_until((project.root / ".git/go").exists)
        process.send_signal(signal.SIGINT)
        assert finish(process) == (130, "", "")

    assert project.git("status", "--porcelain") == ""


def test_after_a_kill_in_the_middle_it_is_applied_whole(
    project: Project, smudged: Callable[[str], None]
) -> None:
    smudged("touch .git/going; while [ -e .git/going ]; do sleep 0.01; done; cat")
    name = the_ref(project)["name"]
    with project.started("rescue", "apply", name) as process:
        wait_until((project.root / ".git/going").exists)
        process.kill()
        process.wait()
    (project.root / ".git/going").unlink()
    wait_until(lambda: not (project.root / ".git/index.lock").exists())
    smudged("cat")

    assert project.pitboss("rescue", "apply", name).code == 0
    assert project.git("status", "--porcelain").splitlines() == [" M README.md", "?? half.txt"]
    assert (project.root / "half.txt").read_text() == "half\n"


def test_nothing_is_applied_to_the_tree_that_a_live_run_works_in(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("fail", "echo half >half.txt; exit 3")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    gate, name = Gate(tmp_path / "gate"), the_ref(project)["name"]
    project.prompt("waits", gate.script)
    with grinding(project, "waits", "--max-iterations", "1") as live:
        gate.wait()
        done = project.pitboss("rescue", "apply", name)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: a run is live, and works in this tree\nhint: ")
        assert project.git("status", "--porcelain") == ""
        gate.open()
        assert live.ended().code == 3

    assert project.pitboss("rescue", "apply", name).code == 0


INSIDE = {
    "commits in a submodule": "cd lib; echo inner >>f; git commit -qam inner; git reset -q --hard",
    "edits in a submodule": "echo inner >>lib/f",
    "a repository of its own": "git init -q own; cd own; echo inner >f; git add -A; git commit -qm inner",
}


@pytest.mark.parametrize("script", INSIDE.values(), ids=INSIDE)
def test_work_of_a_repository_inside_is_shown_and_not_brought_to_the_top(tmp_path: Path, script: str) -> None:
    project = Project.create(tmp_path / "project")
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        project.env |= {f"{name}_NAME": "a", f"{name}_EMAIL": "a@local"}
    lib = Project.create(tmp_path / "lib")
    lib.write("f", "f\n")
    lib.git("checkout", "-q", "--orphan", "lib")  # its first commit may be that of the project, to the second
    lib.commit("Lib")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib.root), "lib")
    project.commit("Submodule")
    project.prompt("fail", f"({script})\nexit 3", max_runs=1)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    *_, kept = run.record("fail")["rescue"]

    assert "+inner" in project.pitboss("show", "1", "--diff").out
    desk = RepositoryDesk(project.root)
    record = next(iter_records(run.folder / "sessions.jsonl"))
    for changes in (desk.changes(record, None), desk.rescued_changes(kept)):
        assert any("+inner" in change.lines for change in changes.files), changes

    done = project.pitboss("rescue", "apply", kept)
    assert done.code == 1
    assert "is the work of a repository or submodule inside this tree" in done.err
    assert project.git("status", "--porcelain") == ""
    command = re.search("`(git fetch [^`]*)`", done.err)
    assert command is not None
    lib.git(*command[1].split()[1:])
    assert "inner\n" in lib.git("show", "FETCH_HEAD:f")


def test_an_unknown_ref_is_an_error(project: Project) -> None:
    assert project.pitboss("rescue", "show", "nope") == (
        1,
        "",
        "error: no rescue ref nope\nhint: `pitboss rescue ls` lists them\n",
    )


def test_a_dropped_ref_can_be_brought_back_by_its_commit(project: Project) -> None:
    ref = the_ref(project)

    done = project.pitboss("rescue", "drop", ref["name"])

    back = f"git update-ref {ref['ref']} {ref['commit']}"
    assert done == (
        0,
        f"dropped {ref['name']}, {ref['commit'][:7]}: of fail\nuntil git collects garbage, `{back}` brings it back\n",
        "",
    )
    assert project.pitboss("rescue", "ls").out == "nothing was rescued\n"
    project.git(*back.split()[1:])
    assert the_ref(project)["commit"] == ref["commit"]


def test_a_beginning_is_not_enough_to_drop_a_ref(project: Project) -> None:
    name = the_ref(project)["name"]

    done = project.pitboss("rescue", "drop", name[:-1])

    assert done == (
        1,
        "",
        f"error: {name[:-1]} is only the beginning of {name}\nhint: give the full name to drop it\n",
    )
    assert the_ref(project)["name"] == name
