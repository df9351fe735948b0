"""The user's checkout while sessions land beside it: edits, ignored files, locks, many paths (SPEC 1.2, 1.6)."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.support.cli import Project
from tests.support.runs import configure, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path


def stage(folder: Path, *scripts: str) -> Project:
    """A project with a parallel prompt for each script, `p1`, `p2`, ..., each due once."""
    project = Project.create(folder / "repo")
    configure(project, grind="max_parallel = 2")
    for nth, script in enumerate(scripts, 1):
        project.prompt(f"p{nth}", script, max_runs=1, parallel_safe=True)
    return project


def test_one_edit_in_the_way_is_rescued_and_the_others_stay(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    edits = "; ".join(f"echo mine > {root}/{name}" for name in ("README.md", "other.txt", "new.txt"))
    project = stage(tmp_path, f"{edits}\necho theirs > README.md")
    project.write("other.txt", "as committed\n")
    project.commit("other")
    done = project.pitboss("grind")
    run = the_run(project)
    (record,) = run.records
    assert done.code == 0, done
    assert (record["status"], record["reason"].partition(":")[0]) == ("dirty", "head_moved")
    assert (root / "README.md").read_text() == "theirs\n"
    assert (root / "other.txt").read_text() == (root / "new.txt").read_text() == "mine\n"
    assert project.git("show", f"{record['rescue'][0]}:README.md") == "mine\n"


def test_an_ignored_file_of_the_users_is_rescued_before_a_tracked_one_takes_its_place(tmp_path: Path) -> None:
    project = stage(tmp_path, "printf '.pitboss/\\n' > .gitignore; echo agent > .env")
    project.write(".gitignore", ".pitboss/\n.env\n")
    project.commit("ignore")
    project.write(".env", "user\n")
    done = project.pitboss("grind")
    (record,) = the_run(project).records
    assert done.code == 0, done
    assert project.git("show", f"{record['commit']}:.env") == "agent\n"
    assert project.git("show", f"{record['rescue'][0]}:.env") == "user\n"


def test_a_checkout_whose_index_the_user_holds_follows_once_it_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "repo/.git/index.lock"
    landed = f"git -C {tmp_path}/repo log --format=%s | grep -q p1"
    project = stage(
        tmp_path,
        f": > {lock}; echo one > one.txt",
        f"while ! {landed}; do sleep 0.05; done; rm {lock}; echo two > two.txt",
    )
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 0, done
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)] * 2
    assert run.files(run.branch) == {"one.txt": "one\n", "two.txt": "two\n"}
    assert project.git("status", "--porcelain") == ""


def test_a_conflict_in_thousands_of_paths_is_a_record_like_any_other(tmp_path: Path) -> None:
    word = "a-name-that-is-as-long-as-names-of-generated-files-tend-to-be-in-large-projects"
    write = f'mkdir -p {word}; for n in $(seq 1500); do echo "$PITBOSS_PROMPT_NAME" > {word}/{word}-$n; done'
    meet = "mkdir -p ../../$PITBOSS_PROMPT_NAME; while ! [ -d ../../p1 -a -d ../../p2 ]; do sleep 0.02; done"
    project = stage(tmp_path, f"{write}\n{meet}", f"{write}\n{meet}")
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 1, done
    *both, again = run.records  # whichever comes first lands; its record may be the later one
    conflict, first = sorted(both, key=lambda record: str(record["status"]))
    assert (first["status"], conflict["status"], again["status"]) == ("ok", "error", "ok")
    assert conflict["reason"].endswith("and 1480 more")
    assert again["retry_of"] == conflict["seq"]


def _worktree(branch: str) -> str:
    """Make the worktree `wt`. Git fails, now and then, where two are made at once."""
    return f"for _ in 1 2 3 4 5 6 7 8 9; do git worktree add -q -B {branch} wt && break; rm -rf wt; sleep 0.1; done"


def test_worktrees_and_repositories_that_an_agent_makes_in_its_working_copy_are_kept(tmp_path: Path) -> None:
    inner = "git init -q inner; cd inner; git config user.name a; git config user.email a@local"
    versions = "echo V1 > p; git add p; git commit -qm one; echo V2 > p; git commit -qam two"
    project = stage(
        tmp_path,
        f"{_worktree('feat')}; echo PRECIOUS > wt/precious.txt; echo a > a.txt",
        f"{_worktree('other')}; echo DEAR > wt/dear.txt; exit 1",
        f"({inner}; {versions}); echo c > c.txt",
    )
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 1, done
    assert [run.record(f"p{n}")["status"] for n in (1, 2, 3)] == ["dirty", "error", "dirty"]
    kept = {name: run.record(name)["rescue"] for name in ("p1", "p2", "p3")}
    assert "PRECIOUS\n" in [project.git("show", f"{ref}:precious.txt") for ref in kept["p1"]]
    assert any("dear.txt" in project.git("ls-tree", "--name-only", ref) for ref in kept["p2"])
    assert any("one\n" in project.git("log", "--format=%s", ref) for ref in kept["p3"])


def test_a_session_in_the_users_tree_waits_until_the_tree_has_followed(tmp_path: Path) -> None:
    project = stage(tmp_path, f"echo one > one.txt; : > {tmp_path}/repo/.git/index.lock")
    project.prompt("z-alone", "ls > seen.txt", max_runs=1)
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 0, done
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)] * 2
    assert "one.txt" in run.files(run.branch)["seen.txt"].split()
    assert run.files(run.branch)["one.txt"] == "one\n"
    assert project.git("status", "--porcelain") == ""


def test_a_tree_that_cannot_follow_is_told_of_at_the_end_with_what_to_do(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    project = stage(tmp_path, f"echo one > one.txt; : > {root}/.git/index.lock")
    at_work = ["git", "cat-file", "--batch"]
    with subprocess.Popen(at_work, cwd=root, stdin=subprocess.PIPE) as process:
        done = project.pitboss("grind")
        process.communicate()
    advice = re.search(r"`(git read-tree -m -u \w+ HEAD)`", done.err)
    assert done.code == 0, done
    assert advice is not None, done.err
    assert not (root / "one.txt").exists()
    (root / ".git/index.lock").unlink()
    project.git(*advice[1].split()[1:])
    assert (root / "one.txt").read_text() == "one\n"
    assert project.git("status", "--porcelain") == ""
