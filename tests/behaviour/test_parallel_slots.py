"""Working copies of parallel sessions: made once, furnished once, reused, and gone with the run (SPEC 2, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, configure, grinding, the_run, verdict
from tests.support.side_by_side import meeting, remains, worktrees

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """
mkdir -p cache
[ -e cache/file ] || echo built >cache/file
echo $(stat -c %i cache/file) $(git ls-files --others) >>{out}
echo litter >litter-$PITBOSS_SESSION_SEQ.txt
exit 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.write(".gitignore", ".pitboss/\ncache/\n.env\nsecrets/\n")
    project.write("tracked.txt", "as it was\n")
    project.commit("Ignore more")
    return project


def three_looks(project: Project, clean: str) -> list[list[str]]:
    """What three sessions find that use one slot, one after the other."""
    out = project.root.parent / "out"
    configure(project, grind='mode = "worktree"', more=f'[grind.worktree]\nclean = "{clean}"')
    project.prompt("chore", LOOK.replace("{out}", str(out)), max_runs=3)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    assert [verdict(r) for r in run.records] == [("error", "exit_code: 1", False, 1)] * 3
    litter = [{f"litter-{seq}.txt": "litter\n"} for seq in (1, 2, 3)]
    assert [run.files(r["rescue"][0]) for r in run.records] == litter
    assert remains(run) == []
    return [line.split() for line in out.read_text().splitlines()]


def test_a_slot_is_used_again_with_what_git_ignores_and_without_what_was_left_there(project: Project) -> None:
    looks = three_looks(project, "untracked")
    assert looks == [[looks[0][0], "cache/file"]] * 3


def test_with_clean_all_what_git_ignores_goes_too(project: Project) -> None:
    looks = three_looks(project, "all")
    assert [found[1:] for found in looks] == [["cache/file"]] * 3
    assert not (project.root / "cache").exists()


def test_as_many_slots_are_made_as_sessions_run_at_once_and_git_knows_them_while_they_live(
    project: Project, tmp_path: Path
) -> None:
    gate, meet = Gate(tmp_path / "gate"), meeting(tmp_path / "meeting", 3)
    configure(project)
    project.prompt(
        "chore",
        f"{meet}\n{gate.script}\necho $PITBOSS_WORKTREE >>{tmp_path}/places",
        parallel_safe=True,
        max_runs=6,
    )
    with grinding(project, "--max-parallel", "3") as live:
        gate.wait()
        run = the_run(project)
        listed = worktrees(project)
        gate.open()
        assert live.ended().code == 0
    assert listed == ["repo", "slot-1", "slot-2", "slot-3"]
    places = [str(run.folder / f"worktrees/slot-{n}") for n in (1, 2, 3)]
    assert set((tmp_path / "places").read_text().split()) == set(places)
    assert remains(run) == []
    assert project.git("status", "--porcelain") == ""


def test_what_is_to_be_copied_comes_along_if_git_ignores_it_and_is_warned_of_if_not(
    project: Project, tmp_path: Path
) -> None:
    copy = '[grind.worktree]\ncopy = [".env", "secrets", "plain.txt", "tracked.txt", "absent"]'
    configure(project, grind='mode = "worktree"', more=copy)
    project.write(".env", "KEY=1\n").chmod(0o600)
    project.write("secrets/deep/key", "s\n")
    project.write("plain.txt", "not ignored\n")
    project.write("tracked.txt", "changed by the user\n")
    meet = meeting(tmp_path / "meeting", 2)
    look = "cat .env secrets/deep/key tracked.txt; stat -c %a .env; ls plain.txt || true"
    script = f"{meet}; ( {look} ) >{tmp_path}/found-$PITBOSS_SESSION_SEQ 2>/dev/null"
    project.prompt("chore", f"{script}; echo done >made-$PITBOSS_SESSION_SEQ", parallel_safe=True, max_runs=2)
    done = project.pitboss("grind", "--max-parallel", "2")
    assert done.err.count("plain.txt is not ignored by git, so it was not copied") == 2
    run = the_run(project)
    assert done.code == 0, done
    for seq in (1, 2):
        assert (tmp_path / f"found-{seq}").read_text() == "KEY=1\ns\nas it was\n600\n"
    assert run.files(run.branch) == {"made-1": "done\n", "made-2": "done\n"}


SETUP = """[grind.worktree]
setup = 'echo "$PITBOSS_WORKTREE $PITBOSS_SESSION_SEQ $(pwd)" >>{out}; mkdir -p cache; echo ready >cache/env; {more}'
"""


def test_a_slot_is_set_up_once_however_many_sessions_use_it_and_what_that_changes_never_lands(
    project: Project, tmp_path: Path
) -> None:
    out = tmp_path / "setups"
    more = "echo changed >tracked.txt; echo loose >loose.txt; git add -A"
    configure(project, more=SETUP.format(out=out, more=more))
    meet = meeting(tmp_path / "meeting", 2)
    project.prompt(
        "chore",
        f"{meet}; cat cache/env tracked.txt >found-$PITBOSS_SESSION_SEQ",
        parallel_safe=True,
        max_runs=6,
    )
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 0, done
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)] * 6
    assert run.files(run.branch) == {f"found-{seq}": "ready\nas it was\n" for seq in range(1, 7)}
    places = [str(run.folder / f"worktrees/slot-{n}") for n in (1, 2)]
    assert sorted(out.read_text().splitlines()) == [
        f"{place} {n} {place}" for n, place in enumerate(places, 1)
    ]


@pytest.mark.parametrize("where", [(), ("--workers", "local:1")], ids=["at home", "on a worker"])
def test_where_ignored_files_go_too_each_session_gets_the_copied_ones_and_its_own_set_up(
    project: Project, tmp_path: Path, where: tuple[str, ...]
) -> None:
    project.write(".env", "KEY=1\n")
    out = tmp_path / "setups"
    configure(project, grind='mode = "worktree"', more=SETUP.format(out=out, more=":") + 'clean = "all"\n')
    project.prompt(
        "chore",
        "cat .env cache/env >found-$PITBOSS_SESSION_SEQ; [ ! -e cache/own ]; touch cache/own; echo new >.env",
        parallel_safe=True,
        max_runs=3,
    )
    done = project.pitboss("grind", *where)
    run = the_run(project)
    assert done.code == 0, done
    assert run.files(run.branch) == {f"found-{seq}": "KEY=1\nready\n" for seq in (1, 2, 3)}
    assert [line.split()[1] for line in out.read_text().splitlines()] == ["1", "2", "3"]


def test_a_set_up_that_fails_is_the_sessions_error_and_tried_again_for_the_next(
    project: Project, tmp_path: Path
) -> None:
    out = tmp_path / "setups"
    more = f"[ $(wc -l <{out}) -ge 3 ] || {{ echo no network >&2; exit 7; }}"
    configure(project, grind='mode = "worktree"', more=SETUP.format(out=out, more=more))
    project.prompt("chore", "cat cache/env >found-$PITBOSS_SESSION_SEQ", max_runs=4)
    done = project.pitboss("grind")
    run = the_run(project)
    failed = ("error", "hook_failed: exit code 7: no network", False, 0)
    assert done.code == 1, done
    assert [verdict(r) for r in run.records] == [failed, failed, ("ok", None, True, 0), ("ok", None, True, 0)]
    assert len(out.read_text().splitlines()) == 3
    assert remains(run) == []


def test_commits_that_a_set_up_makes_are_no_work_of_the_session(project: Project, tmp_path: Path) -> None:
    commit = "git -c user.name=s -c user.email=s@local commit -q -am setup"
    more = f"echo changed >tracked.txt; {commit}"
    configure(project, grind='mode = "worktree"', more=SETUP.format(out=tmp_path / "setups", more=more))
    project.prompt("chore", "echo text >added.txt", max_runs=2)
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 0, done
    assert run.files(run.branch) == {"added.txt": "text\n"}
    assert [r["status"] for r in run.records] == ["ok", "ok"]


@pytest.mark.parametrize("mode", ["in-place", "worktree"])
@pytest.mark.parametrize("name", ["re\npo", "re\rpo ", "repo\n"])
def test_the_path_of_a_repository_may_hold_line_breaks(tmp_path: Path, name: str, mode: str) -> None:
    project = Project.create(tmp_path / name)
    configure(project, grind=f'mode = "{mode}"')
    project.prompt("work", "echo work >work-$PITBOSS_SESSION_SEQ.txt", max_runs=2)

    done = project.pitboss("grind")

    assert done.code == 0, done.err
    run = the_run(project)
    assert [record["status"] for record in run.records] == ["ok", "ok"]
    assert remains(run) == []


@pytest.mark.parametrize("mode", ["in-place", "worktree"])
def test_a_folder_of_working_copies_that_is_a_link_is_refused_before_the_run(
    project: Project, tmp_path: Path, mode: str
) -> None:
    folder = project.root / ".git/worktrees"
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    configure(project, grind=f'mode = "{mode}"\nmax_parallel = 2')
    project.prompt("a", "echo a > a.txt", max_runs=1, parallel_safe=True)

    done = project.pitboss("grind")

    assert (done.code, done.out) == (4, "")
    assert f"error: {folder} is a symbolic link, and git cannot use working copies through one\n" in done.err
    assert "hint: put the folder itself there, or run one session at a time in your own tree" in done.err
    assert not list((project.root / ".pitboss/grind").glob("runs/*"))

    configure(project, grind="max_parallel = 1")
    assert project.pitboss("grind").code == 0
