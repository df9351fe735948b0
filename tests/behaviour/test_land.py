"""`pitboss land` brings the work of a run onto a branch: all of it or chosen sessions, never half (SPEC 11)."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Done, Project, finish, wait_until
from tests.support.rebases import go_on_with_rebase, stopped_rebase
from tests.support.runs import Gate, Run, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path


def night(project: Project, *scripts: str) -> Run:
    """A run of one session for each script, in this order."""
    for nth, script in enumerate(scripts, 1):
        project.prompt(f"p{nth}", script, max_runs=1)
    done = project.pitboss("grind")
    assert done.code in (0, 1), done
    return the_run(project)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project on `main`, after a run of four sessions; the third builds on the second."""
    project = Project.create(tmp_path_factory.mktemp("ground") / "project")
    project.write("list.txt", "".join(f"{n}\n" for n in range(1, 21)))
    project.commit("A list")
    night(
        project,
        "echo one >one.txt; echo '# Add one' >$PITBOSS_SUMMARY_FILE",
        "sed -i 's/^2$/two/' list.txt",
        "sed -i 's/^two$/TWO/' list.txt",
        "sed -i 's/^18$/eighteen/' list.txt; printf '#!/bin/sh\\n' >run.sh; chmod +x run.sh",
    )
    return project


@pytest.fixture
def project(ground: Project, tmp_path: Path) -> Project:
    """A copy of it."""
    shutil.copytree(ground.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def tip(project: Project, branch: str = "main") -> str:
    return project.git("rev-parse", branch).strip()


def clean(project: Project) -> bool:
    return project.git("status", "--porcelain") == ""


def seqs(project: Project, branch: str = "main") -> list[str]:
    """The sessions that a branch names in trailers, newest first."""
    return project.git("log", "--format=%(trailers:key=Pitboss-Session,valueonly)", branch).split()


def unchanged(project: Project, done: Done, before: str) -> tuple[int, str]:
    assert (tip(project), clean(project)) == (before, True)
    return done.code, done.err


def test_the_whole_run_is_a_fast_forward_and_a_clean_checkout_follows(project: Project) -> None:
    run = the_run(project)

    done = project.pitboss("land")

    assert done.code == 0, done
    assert done.out.splitlines() == [
        "   1  p1  Add one",
        "   2  p2  (no summary provided)",
        "   3  p3  (no summary provided)",
        "   4  p4  (no summary provided)",
        f"landed 4 sessions of run {run.run_id} on main: fast-forward to {tip(project, run.branch)[:7]}",
    ]
    assert tip(project) == tip(project, run.branch)
    assert clean(project)
    assert (project.root / "one.txt").read_text() == "one\n"
    assert (project.root / "run.sh").stat().st_mode & 0o100


def test_what_is_no_working_tree_among_those_that_git_knows_is_in_nobodys_way(project: Project) -> None:
    (project.root / ".git/worktrees/odd/gitdir").mkdir(parents=True)
    done = project.pitboss("land")
    assert done.code == 0, done
    assert seqs(project) == ["4", "3", "2", "1"]


def test_what_needs_a_person_names_the_command(project: Project) -> None:
    run = the_run(project)

    def asked() -> str:
        return project.pitboss("status", run.run_id).out

    assert f"4 commits of run {run.run_id} are not on main\n  pitboss land {run.run_id}\n" in asked()
    assert project.pitboss("land", run.run_id, "--only", "2,4").code == 0
    assert f"2 commits of run {run.run_id} are not on main\n  pitboss land {run.run_id}\n" in asked()
    assert project.pitboss("land", run.run_id).code == 0
    assert "pitboss land" not in asked()


@pytest.mark.parametrize("here", ["trunk", "it's"])
def test_a_run_whose_branch_was_renamed_needs_a_person_too(project: Project, here: str) -> None:
    run = the_run(project)
    project.git("branch", "-m", "main", here)

    said = project.pitboss("status").out

    command = said.splitlines()[-1].strip()
    assert command.startswith(f"pitboss land {run.run_id} --onto ")
    assert f"4 commits of run {run.run_id} are not on {here}" in said
    assert project.pitboss(*shlex.split(command)[1:]).code == 0
    assert tip(project, here) == tip(project, run.branch)


def test_a_run_that_began_on_the_branch_of_another_one_says_where_to(project: Project) -> None:
    first = the_run(project)
    project.git("checkout", "-q", first.branch)
    shutil.rmtree(project.root / ".pitboss/grind/prompts")
    project.prompt("p5", "echo five >five", max_runs=1)
    assert project.pitboss("grind").code == 0

    said = project.pitboss("status").out.splitlines()

    assert said[-1].endswith(" --onto main")
    assert project.pitboss(*shlex.split(said[-1])[1:]).code == 0


def test_again_is_a_no_op(project: Project) -> None:
    run = the_run(project)
    assert project.pitboss("land", run.run_id).code == 0
    before = tip(project)

    again = project.pitboss("land", run.run_id)

    assert again == (
        0,
        f"nothing to land: sessions 1, 2, 3 and 4 of run {run.run_id} are already on main\n",
        "",
    )
    assert tip(project) == before


def test_a_branch_that_has_moved_on_gets_a_merge(project: Project) -> None:
    run = the_run(project)
    project.write("mine.txt", "mine\n")
    project.commit("Mine")
    before = tip(project)

    assert project.pitboss("land").code == 0

    assert project.git("log", "-1", "--format=%P").split() == [before, tip(project, run.branch)]
    assert project.git("log", "-1", "--format=%B").startswith(
        f"Merge branch '{run.branch}'\n\n4 sessions of run {run.run_id}:\n\n- session 1 (p1): Add one\n"
    )
    assert clean(project)
    assert (project.root / "mine.txt").exists()
    assert (project.root / "one.txt").exists()


def test_a_conflict_changes_nothing_and_names_the_paths(project: Project) -> None:
    run = the_run(project)
    project.write("one.txt", "mine\n")
    project.commit("Mine")
    before = tip(project)

    done = project.pitboss("land")

    assert unchanged(project, done, before) == (
        1,
        (
            f"conflict: one.txt\nerror: run {run.run_id} conflicts with main; nothing was changed\n"
            f"hint: `pitboss land {run.run_id} --except 1` leaves out session 1, the first to conflict; "
            f"`git merge {run.branch}` on main lets you resolve it by hand\n"
        ),
    )
    assert project.pitboss("land", run.run_id, "--except", "1").code == 0
    assert seqs(project) == ["4", "3", "2"]


@pytest.mark.parametrize(
    ("given", "without"),
    [
        ((), "--onto side --except 1` leaves out session 1, the first to conflict; `git merge"),
        (("--squash",), "--onto side --squash --except 1` leaves out session 1, the first to conflict; "),
        (("--only", "1,4"), "--onto side --only 1,4 --except 1` leaves out session 1; `git merge"),
        (("--except", "4"), "--onto side --except 4,1` leaves out session 1; `git merge"),
    ],
)
def test_what_a_conflict_hints_at_lands_on_the_same_branch(
    project: Project, given: tuple[str, ...], without: str
) -> None:
    run = the_run(project)
    project.git("switch", "-q", "-c", "side")
    project.write("one.txt", "mine\n")
    project.commit("Mine")
    project.git("switch", "-q", "main")

    refused = project.pitboss("land", "--onto", "side", *given)

    assert (refused.code, f"hint: `pitboss land {run.run_id} {without}" in refused.err) == (1, True)
    again = shlex.split(refused.err.partition("hint: `")[2].partition("`")[0])
    assert project.pitboss(*again[1:]).code == 0


def test_a_conflict_of_all_that_was_chosen_hints_at_no_other_landing(project: Project) -> None:
    project.write("one.txt", "mine\n")
    project.commit("Mine")
    refused = project.pitboss("land", "--only", "1")
    assert (refused.code, "hint: `git merge " in refused.err) == (1, True)


def test_chosen_sessions_are_picked_with_their_authors_and_trailers(project: Project) -> None:
    run = the_run(project)

    assert project.pitboss("land", "--only", "4,1").code == 0

    assert seqs(project) == ["4", "1"]
    assert project.git("log", "-2", "--format=%an %cn").splitlines() == ["pitboss pitboss"] * 2
    message = project.git("log", "-1", "--format=%B", run.branch)
    assert project.git("log", "-1", "--format=%B") == message
    assert project.git("show", "main:list.txt").splitlines()[17] == "eighteen"
    assert project.git("show", "main:list.txt").splitlines()[1] == "2"
    assert clean(project)


def test_what_builds_on_a_session_left_out_says_so(project: Project) -> None:
    before = tip(project)

    done = project.pitboss("land", "--except", "2")

    assert unchanged(project, done, before) == (
        1,
        (
            "conflict: list.txt\nerror: session 3 builds on session 2, left out; nothing was changed\n"
            "hint: land session 2 too, or leave out session 3 as well\n"
        ),
    )


def test_the_rest_can_be_landed_later(project: Project) -> None:
    run = the_run(project)
    assert project.pitboss("land", "--only", "2,4").code == 0

    assert project.pitboss("land").code == 0

    assert seqs(project) == ["3", "1", "4", "2"]
    assert project.git("diff", "main", run.branch) == ""
    assert project.pitboss("land").out.startswith("nothing to land")


def test_the_first_sessions_of_a_run_keep_their_commits(project: Project) -> None:
    run = the_run(project)

    assert project.pitboss("land", "--only", "1-2").code == 0

    assert tip(project) == tip(project, f"{run.branch}~2")


def test_a_squash_is_one_commit_with_a_trailer_for_each_session(project: Project) -> None:
    run = the_run(project)
    before = tip(project)

    done = project.pitboss("land", "--squash")

    assert done.out.endswith(f"on main: one commit, {tip(project)[:7]}\n")
    assert project.git("log", "-1", "--format=%P").strip() == before
    assert project.git("diff", "main", run.branch) == ""
    assert seqs(project) == ["1", "2", "3", "4"]
    assert (
        project.git("log", "-1", "--format=%s").strip() == f"[pitboss/grind] 4 sessions of run {run.run_id}"
    )
    assert project.pitboss("land").out.startswith("nothing to land: sessions 1, 2, 3 and 4")


def test_chosen_sessions_can_be_squashed(project: Project) -> None:
    before = tip(project)

    assert project.pitboss("land", "--squash", "--only", "1,4").code == 0

    assert project.git("log", "-1", "--format=%P").strip() == before
    assert seqs(project) == ["1", "4"]


def test_a_pull_request_that_was_squashed_elsewhere_counts(project: Project) -> None:
    run = the_run(project)
    messages = project.git("log", "--reverse", "--format=* %B", f"main..{run.branch}")
    project.git("merge", "-q", "--squash", run.branch)
    project.commit(messages)

    assert project.pitboss("land").out.startswith("nothing to land: sessions 1, 2, 3 and 4")


def test_sessions_left_out_in_review_stay_out(project: Project) -> None:
    run = the_run(project)
    (run.folder / "review.json").write_text('{"version": 1, "marks": {"1": "accept", "4": "leave"}}')

    done = project.pitboss("land")

    assert done.code == 0, done
    assert "left out in review: session 4\nlanded 3 sessions" in done.out
    assert seqs(project) == ["3", "2", "1"]
    assert project.pitboss("land", "--only", "4") == (
        0,
        f"left out in review: session 4\nnothing to land of run {run.run_id}\n",
        "",
    )


def test_a_dry_run_says_the_same_and_changes_nothing(project: Project) -> None:
    before = tip(project)

    asked = project.pitboss("land", "--dry-run", "--only", "1-3")

    assert (tip(project), clean(project)) == (before, True)
    assert asked.out.replace("would land", "landed") == project.pitboss("land", "--only", "1-3").out


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("--only", "9"), "error: run RUN has no record of session 9\n"),
        (("--only", "1,7-9"), "error: run RUN has no record of session 7-9\n"),
        (("--except", "2,7-9"), "error: run RUN has no record of session 7-9\n"),
        (("--onto", "nowhere"), "error: there is no branch nowhere\n"),
        (("--onto", ""), "error: --onto names no branch\nhint: `git branch` lists the branches there are\n"),
        (("--onto", "-x y"), "error: there is no branch -x y\nhint: `git branch` lists the branches"),
        (
            ("--onto", "up/main"),
            "error: there is no branch up/main\nhint: `git branch main up/main` makes a local branch of it\n",
        ),
        (("--onto", "BRANCH"), "error: BRANCH is the branch of the run itself\n"),
    ],
)
def test_what_is_not_there_is_refused(project: Project, given: tuple[str, ...], error: str) -> None:
    run, before = the_run(project), tip(project)
    project.git("update-ref", "refs/remotes/up/main", before)

    done = project.pitboss("land", *(word.replace("BRANCH", run.branch) for word in given))

    code, said = unchanged(project, done, before)
    assert code == 1
    assert said.startswith(error.replace("RUN", run.run_id).replace("BRANCH", run.branch))


@pytest.mark.parametrize("word", ["", "x", "3-1", "0", "1,,2"])
def test_numbers_that_make_no_sense_are_bad_usage(project: Project, word: str) -> None:
    assert project.pitboss("land", "--only", word).code == 4


def test_a_dirty_checkout_is_refused(project: Project) -> None:
    before = tip(project)
    project.write("list.txt", "mine\n")

    done = project.pitboss("land")

    assert (done.code, tip(project)) == (1, before)
    assert done.err.startswith("error: main is checked out, and not clean: 1 path changed or untracked\n")
    assert (project.root / "list.txt").read_text() == "mine\n"


def test_an_ignored_file_in_the_way_is_refused(project: Project) -> None:
    before = tip(project)
    (project.root / ".git/info/exclude").write_text("one.txt\n")
    project.write("one.txt", "mine\n")

    code, said = unchanged(project, project.pitboss("land"), before)

    assert code == 1
    assert said.startswith("error: cannot land on main: one.txt, which git ignores, would be overwritten\n")
    assert (project.root / "one.txt").read_text() == "mine\n"


def test_a_branch_that_is_not_checked_out_moves_alone(project: Project) -> None:
    run = the_run(project)
    project.git("checkout", "-q", "-b", "other")
    project.write("list.txt", "dirty, and nobody's business\n")

    assert project.pitboss("land").code == 0

    assert tip(project) == tip(project, run.branch)
    assert project.git("status", "--porcelain") == " M list.txt\n"


def test_with_a_detached_head_the_branch_moves_alone(project: Project) -> None:
    run = the_run(project)
    project.git("checkout", "-q", "--detach")

    assert project.pitboss("land").code == 0

    assert tip(project) == tip(project, run.branch)
    assert clean(project)
    assert not (project.root / "one.txt").exists()


def test_another_branch_can_be_named(project: Project) -> None:
    run, before = the_run(project), tip(project)
    project.git("branch", "release")

    assert project.pitboss("land", "--onto", "release").code == 0

    assert (tip(project, "release"), tip(project)) == (tip(project, run.branch), before)


def test_a_branch_in_somebody_elses_checkout_is_refused(project: Project, tmp_path: Path) -> None:
    project.git("checkout", "-q", "--detach")
    elsewhere = tmp_path / "elsewhere"
    project.git("worktree", "add", "-q", str(elsewhere), "main")
    before = tip(project)

    code, said = unchanged(project, project.pitboss("land"), before)

    assert code == 1
    assert said.startswith(f"error: main is checked out in {elsewhere}\n")


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("way", ["--merge", "--apply", "--update-refs"])
def test_a_branch_that_is_being_rebased_is_refused_until_that_is_over(
    project: Project, tmp_path: Path, where: str, way: str
) -> None:
    run = the_run(project)
    place = project.root
    if where == "elsewhere":
        place = tmp_path / "elsewhere"
        project.git("checkout", "-q", "--detach")
        project.git("worktree", "add", "-q", str(place), "main")
    before = stopped_rebase(project, place, "main", way)

    for dry_run in (("--dry-run",), ()):
        done = project.pitboss("land", run.run_id, *dry_run)
        assert (done.code, tip(project)) == (1, before)
        assert done.err.startswith(f"error: main is being rebased in {place}\n")

    go_on_with_rebase(project, place)
    project.git("-C", str(place), "checkout", "-q", "--detach")
    assert project.pitboss("land", run.run_id).code == 0
    assert seqs(project) == ["4", "3", "2", "1"]


def test_a_rebase_of_another_branch_is_in_nobodys_way(project: Project) -> None:
    project.git("checkout", "-q", "-b", "mine")
    stopped_rebase(project, project.root, "mine")

    assert project.pitboss("land").code == 0

    go_on_with_rebase(project, project.root)
    assert seqs(project) == ["4", "3", "2", "1"]


def test_a_live_run_is_refused(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    gate = Gate(tmp_path / "gate")
    project.prompt("p", f"echo hi >f; {gate.script}", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        before = tip(project)
        done = project.pitboss("land")
        assert (done.code, tip(project)) == (4, before)
        assert "is live" in done.err or "live run" in done.err or "owns" in done.err, done.err
        gate.open()
        assert live.ended().code == 0


def test_a_run_that_began_on_no_branch_needs_a_word(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.git("checkout", "-q", "--detach")
    run = night(project, "echo one >one.txt")

    done = project.pitboss("land")

    assert done == (
        1,
        "",
        f"error: run {run.run_id} began on no branch\nhint: say where its work should go: --onto main\n",
    )
    assert project.pitboss("land", "--onto", "main").code == 0
    assert tip(project) == tip(project, run.branch)


def test_the_branch_in_a_hint_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.git("branch", "-m", "main", "it's;so")
    project.git("update-ref", "refs/remotes/up/a$b", "HEAD")
    project.git("update-ref", "refs/remotes/origin/it's;so", "HEAD")
    project.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/it's;so")
    project.git("checkout", "-q", "--detach")
    night(project, "echo one >one.txt")

    nowhere = project.pitboss("land")
    remote = project.pitboss("land", "--onto", "up/a$b")

    assert nowhere.err.endswith("say where its work should go: --onto 'it'\"'\"'s;so'\n")
    assert remote.err.endswith("hint: `git branch 'a$b' 'up/a$b'` makes a local branch of it\n")


def test_a_run_that_landed_nothing(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    run = night(project, "true")

    assert project.pitboss("land") == (0, f"nothing to land of run {run.run_id}\n", "")


def test_commits_of_an_agent_go_with_its_session(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    as_itself = "git -c user.name=robot -c user.email=r@local commit -qm"
    run = night(
        project,
        "echo 1 >left-out",
        f"echo a >a; git add a; {as_itself} first; echo b >b; git add b; {as_itself} second",
        f"echo c >c; git add c; {as_itself} 'third\n\nPitboss-Run: x\nPitboss-Session: 1'",
    )

    assert project.pitboss("land", "--except", "1").code == 0

    assert project.git("ls-tree", "--name-only", "main").split() == [".gitignore", "README.md", "a", "b", "c"]
    assert seqs(project) == ["3", "2"]
    assert project.pitboss("land").code == 0
    assert project.git("diff", "main", run.branch) == ""


def test_picks_are_committed_and_signed_as_the_user_commits(project: Project, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in {
        "user.name": "Ann",
        "user.email": "ann@local",
        "gpg.format": "ssh",
        "user.signingKey": str(key),
        "commit.gpgSign": "true",
    }.items():
        project.git("config", name, value)

    assert project.pitboss("land", "--only", "4").code == 0

    assert project.git("log", "-1", "--format=%an %cn").strip() == "pitboss Ann"
    assert "gpgsig" in project.git("cat-file", "commit", "HEAD")


def test_a_commit_that_cannot_be_signed_changes_nothing(project: Project) -> None:
    project.git("config", "commit.gpgSign", "true")
    project.git("config", "gpg.program", "false")
    before = tip(project)

    code, said = unchanged(project, project.pitboss("land", "--only", "4"), before)

    assert code == 1
    assert said.startswith("error: git could not sign the commit: ")


def test_a_hook_that_refuses_the_branch_changes_nothing(project: Project) -> None:
    hook = project.write(
        ".git/hooks/reference-transaction", '#!/bin/sh\n[ "$1" != prepared ] || ! grep -q /main\n'
    )
    hook.chmod(0o755)
    before = tip(project)

    code, said = unchanged(project, project.pitboss("land"), before)

    assert code == 1
    assert said.startswith("error: cannot move main: ")


@pytest.mark.parametrize("bit", ["assume-unchanged", "skip-worktree"])
def test_changes_that_git_overlooks_are_not_overwritten_and_nothing_moves(project: Project, bit: str) -> None:
    before = tip(project)
    project.git("update-index", f"--{bit}", "list.txt")
    project.write("list.txt", "my own\n")

    for dry_run in (("--dry-run",), ()):
        code, said = unchanged(project, project.pitboss("land", *dry_run), before)
        assert code == 1
        assert said.startswith("error: cannot land on main: changes in list.txt would be overwritten\nhint: ")
    assert (project.root / "list.txt").read_text() == "my own\n"

    assert project.pitboss("land", "--only", "1").code == 0
    assert (project.root / "one.txt").exists()


def filtered(project: Project, smudge: str) -> None:
    """Set what git runs before it writes `one.txt`."""
    project.write(".git/info/attributes", "one.txt filter=odd\n")
    project.git("config", "filter.odd.required", "true")
    project.git("config", "filter.odd.clean", "cat")
    project.git("config", "filter.odd.smudge", smudge)


def test_a_checkout_that_cannot_follow_yet_does_so_later(project: Project) -> None:
    run = the_run(project)
    filtered(project, "false")

    for _ in range(2):
        done = project.pitboss("land")
        assert (done.code, tip(project)) == (1, tip(project, run.branch))
        assert done.err.startswith(
            f"error: main is at {tip(project)[:7]} now, but the working tree could not follow: "
        )
        assert (
            f"\nhint: see to that; then `pitboss land {run.run_id} --onto main` brings it along\n" in done.err
        )

    filtered(project, "cat")
    done = project.pitboss("land")
    assert (done.code, clean(project)) == (0, True)
    assert done.out.startswith("the working tree follows main again: ")


def test_ctrl_c_while_the_checkout_follows_says_so(project: Project) -> None:
    run = the_run(project)
    filtered(project, "sleep 0.5; touch .git/go; sleep 60")
    with project.started("land") as process:
        wait_until((project.root / ".git/go").exists)
        process.send_signal(signal.SIGINT)
        done = finish(process)

    assert (done.code, tip(project)) == (130, tip(project, run.branch))
    assert done.err == (
        "main has moved, but the working tree had no time to follow\n"
        f"`pitboss land {run.run_id} --onto main` brings it along\n"
    )
    filtered(project, "cat")
    assert project.pitboss("land", run.run_id, "--onto", "main").code == 0
    assert clean(project)


def test_a_repository_with_sha256(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    shutil.rmtree(project.root / ".git")
    project.git("init", "-q", "-b", "main", "--object-format=sha256")
    project.commit("First")
    run = night(project, "echo 1 >one", "echo 2 >two")

    assert project.pitboss("land", "--only", "2").code == 0
    assert project.pitboss("land").code == 0

    assert seqs(project) == ["1", "2"]
    assert project.git("diff", "main", run.branch) == ""


def test_a_submodule_of_the_branch_stays(project: Project) -> None:
    oid = tip(project)
    (project.root / "sub").mkdir()
    project.git("update-index", "--add", "--cacheinfo", f"160000,{oid},sub")
    project.git("-c", "user.name=t", "-c", "user.email=t@local", "commit", "-qm", "A submodule")

    assert project.pitboss("land", "--only", "4").code == 0

    assert project.git("ls-tree", "main", "sub") == f"160000 commit {oid}\tsub\n"


def test_a_run_killed_with_a_session_in_flight_is_repaired_first(project: Project) -> None:
    run, before = the_run(project), tip(project)
    state = run.state
    assignment = {
        "seq": 5, "prompt": "p1", "rotation": 5, "started_at": state["started_at"], "base_commit": before, "attempt": 1,
    }  # fmt: skip
    (run.folder / "state.json").write_text(
        json.dumps(state | {"status": "active", "in_flight": [assignment]})
    )

    code, said = unchanged(project, project.pitboss("land"), before)

    assert code == 1
    assert said == (
        f"error: run {run.run_id} crashed with 1 session in flight\n"
        f"hint: `pitboss repair {run.run_id}` settles them; then land\n"
    )
