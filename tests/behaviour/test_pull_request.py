"""`pr` and `grind --pr`: the run branch on the remote, and one pull request, whatever is missing (SPEC 5, 11)."""

from __future__ import annotations

import os
import shutil
import signal
from shlex import quote
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.cli import Project, finish, wait_until
from tests.support.github import GitHub
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://github.com/me/project/pull/1"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose prompt `work` lands a commit."""
    project = Project.create(tmp_path / "project")
    project.prompt("work", "date +%N >> work.txt\necho did it", max_runs=3)
    return project


def ground(project: Project, *args: str) -> str:
    """Grind one session; returns the run's id."""
    assert project.pitboss("grind", "--max-iterations", "1", *args).code == 3
    return the_run(project).run_id


def test_a_pull_request_is_opened_with_the_sessions_as_its_text(project: Project) -> None:
    github = GitHub(project)
    run_id = ground(project)

    done = project.pitboss("pr")

    assert done == (0, f"opened PR {URL}\n", "")
    run = the_run(project)
    assert github.tip(run.branch) == project.git("rev-parse", run.branch).strip()
    listed, created = github.calls
    assert listed["args"][:4] == ["pr", "list", "--head", run.branch]
    assert created["args"] == [
        *("pr", "create", "--title", f"grind/default: {run_id}", "--body-file", "-"),
        *("--head", run.branch, "--base", "main"),
    ]
    assert created["body"] == (run.folder / "sessions.md").read_text()


def test_a_gh_that_names_no_pull_request_has_opened_none(project: Project) -> None:
    GitHub(project).say_nothing("create")
    done = project.pitboss("grind", "--max-iterations", "1", "--require-pr")
    assert done.code == 6
    assert "opened PR" not in done.out
    assert "`gh pr create` did not say what it opened" in done.err


def test_a_second_call_updates_the_same_one(project: Project) -> None:
    github = GitHub(project)
    run_id = ground(project)
    assert project.pitboss("pr", run_id).out == f"opened PR {URL}\n"
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3

    done = project.pitboss("pr", run_id)

    assert done == (0, f"updated PR {URL}\n", "")
    run = the_run(project)
    assert len(run.records) == 2
    assert github.tip(run.branch) == project.git("rev-parse", run.branch).strip()
    assert github.calls[-1]["args"][:3] == ["pr", "edit", URL]
    assert "session-0002" in github.calls[-1]["body"]


def test_what_was_left_out_in_review_is_said_to_be_in_it(project: Project) -> None:
    GitHub(project)
    run_id = ground(project)
    assert project.pitboss("review", "mark", "1", "leave").code == 0
    done = project.pitboss("pr")
    assert (done.code, done.out) == (0, f"opened PR {URL}\n")
    told = "warning: left out in review, yet in the pull request: session 1"
    assert done.err == f"{told}; `pitboss land {run_id}` would leave that out\n"
    (the_run(project).folder / "review.json").write_text("garbage")
    assert project.pitboss("pr") == (0, f"updated PR {URL}\n", "")


def test_settings_choose_the_remote_a_draft_and_the_report(project: Project) -> None:
    configure(project, more='[git]\nremote = "hub"\npr_draft = true\npr_body = "report"')
    github = GitHub(project, remote="hub")
    ground(project)
    (the_run(project).folder / "report.md").write_text("# A good night\n")

    done = project.pitboss("pr", "--base", "release")

    assert done.code == 0, done
    created = github.calls[-1]
    assert created["args"][-3:] == ["--base", "release", "--draft"]
    assert created["body"] == "# A good night\n"


@pytest.mark.parametrize("told", [False, True])
def test_a_branch_of_a_fork_is_named_with_its_owner(project: Project, *, told: bool) -> None:
    github = GitHub(project)
    project.git("config", "remote.origin.url", "https://github.com/me/project.git")
    project.git("config", "remote.origin.pushurl", str(github.repository))
    if told:
        project.git("config", "remote.origin.gh-resolved", "them/project")
    else:
        project.git("remote", "add", "upstream", "git@github.com:them/project.git")
    ground(project)

    assert project.pitboss("pr") == (0, f"opened PR {URL}\n", "")

    run = the_run(project)
    assert github.calls[-1]["args"][-4:] == ["--head", f"me:{run.branch}", "--base", "main"]
    assert github.tip(run.branch) is not None
    assert project.pitboss("pr").out == f"updated PR {URL}\n"


def test_what_an_agent_wrote_notifies_nobody_and_closes_nothing(project: Project) -> None:
    github = GitHub(project)
    project.prompt("work", "echo 1 >f; echo 'Ask @root. Fixes #12' >$PITBOSS_SUMMARY_FILE", max_runs=1)
    ground(project)

    assert project.pitboss("pr").code == 0

    assert "- summary: Ask @\u200broot. Fixes #\u200b12\n" in github.calls[-1]["body"]


def test_a_run_opens_its_own_when_it_has_ended(project: Project) -> None:
    GitHub(project)

    done = project.pitboss("grind", "--max-iterations", "1", "--pr")

    assert done.code == 3
    assert done.out.endswith(f"opened PR {URL}\n")
    resumed = project.pitboss("grind", "--resume", "--max-iterations", "3", "--require-pr", "--json")
    assert resumed.code == 3
    assert f"updated PR {URL}\n" in resumed.err, "stdout is for JSON"
    assert "PR" not in resumed.out


def test_a_detached_run_opens_one_too(project: Project) -> None:
    github = GitHub(project)

    with project.started("grind", "--max-iterations", "1", "--detach", "--pr") as process:
        assert finish(process).code == 0

    wait_until(lambda: "PR" in (the_run(project).folder / "runner.log").read_text())
    assert f"opened PR {URL}" in (the_run(project).folder / "runner.log").read_text()
    assert github.tip(the_run(project).branch) is not None


@pytest.mark.parametrize(("option", "code"), [("--pr", 3), ("--require-pr", 6)])
def test_a_run_keeps_its_result_without_one_unless_it_is_required(
    project: Project, option: str, code: int
) -> None:
    done = project.pitboss("grind", "--max-iterations", "1", option)

    assert done.code == code
    assert "warning: no pull request: there is no remote called origin\n" in done.err
    assert "`git remote add origin URL`" in done.err
    assert the_run(project).ending()[0] == "aborted"
    assert the_run(project).record("work")["commit"] is not None


@pytest.mark.parametrize(
    ("option", "code", "stop"), [("--pr", 3, signal.SIGTERM), ("--require-pr", 6, signal.SIGINT)]
)
def test_a_push_that_hangs_is_ended_by_a_stop(
    project: Project, tmp_path: Path, option: str, code: int, stop: signal.Signals
) -> None:
    GitHub(project)
    hung = tmp_path / "hung"
    project.git("remote", "set-url", "origin", "ssh://nowhere/x")
    # Git asks it for its kind first. If that is ended before git is, git starts it again.
    project.git("config", "core.sshCommand", f"echo $$ >>{hung}; exec sleep 1000;")
    with project.started("grind", "--max-iterations", "1", option) as process:
        wait_until(lambda: hung.exists() and hung.read_text().strip())
        for _ in range(3):  # as from somebody who presses again
            process.send_signal(stop)
        done = finish(process)
    assert done.code == code
    assert "warning: no pull request: interrupted\n" in done.err
    wait_until(lambda: not proctree.alive(map(int, hung.read_text().split())))

    hung.unlink()
    with project.started("pr") as process:
        wait_until(lambda: hung.exists() and hung.read_text().strip())
        for _ in range(3):
            process.send_signal(stop)
        assert finish(process) == (128 + stop, "", "")
    wait_until(lambda: not proctree.alive(map(int, hung.read_text().split())))


def test_a_refused_run_stays_refused(project: Project) -> None:
    project.write("dirty.txt", "dirty\n")

    done = project.pitboss("grind", "--require-pr")

    assert done.code == 4
    assert "pull request" not in done.err


def test_what_is_missing_is_named_with_what_helps(project: Project) -> None:
    github = GitHub(project)
    run_id = ground(project)
    again = f"then `pitboss pr {run_id}`"

    github.fail("list", 4, "To get started with GitHub CLI, please run:  gh auth login")
    assert project.pitboss("pr") == (
        *(1, ""),
        f"error: gh is not logged in to GitHub\nhint: `gh auth login`, {again}\n",
    )
    assert github.tip(the_run(project).branch) is None, "nothing was pushed"

    github.fail(
        "create", 1, "pull request create failed: GraphQL: Base ref must be a branch (createPullRequest)"
    )
    done = project.pitboss("pr")
    assert done.code == 1
    assert "error: `gh pr create` failed: pull request create failed: GraphQL: Base ref" in done.err
    assert f"hint: put that right, {again}; `--base BRANCH` names another branch to merge into\n" in done.err

    github.work_again()
    assert project.pitboss("pr").out == f"opened PR {URL}\n"


def test_without_gh_nothing_is_pushed(project: Project, tmp_path: Path) -> None:
    github = GitHub(project, gh=False)
    run_id = ground(project)
    programs = tmp_path / "few"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))

    done = project.pitboss("pr", PATH=str(programs))

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "error: gh, GitHub's command line, is not installed",
        f"hint: install it from https://cli.github.com, then `gh auth login`, then `pitboss pr {run_id}`",
    ]
    assert github.tip(the_run(project).branch) is None


def test_a_refused_push_is_told_in_gits_words(project: Project) -> None:
    github = GitHub(project)
    run_id = ground(project)
    hook = github.repository / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected; exit 1\n")
    hook.chmod(0o755)

    done = project.pitboss("pr")

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: git push to origin failed: ! ")
    assert "pre-receive hook declined" in done.err
    assert (
        f"hint: see what `git push origin {the_run(project).branch}` says, then `pitboss pr {run_id}`"
        in done.err
    )
    assert [call["args"][1] for call in github.calls] == ["list"]


@pytest.mark.parametrize("remote", ["my$fork", "it's", "a;b"])
def test_the_commands_it_hints_at_quote_the_remote(project: Project, remote: str) -> None:
    GitHub(project)
    run_id = ground(project)
    configure(project, more=f'[git]\nremote = "{remote}"')

    none = project.pitboss("pr")
    project.git("config", f"remote.{remote}.url", "/nowhere")
    refused = project.pitboss("pr")

    assert f"`git remote add {quote(remote)} URL`" in none.err
    assert f"`git push {quote(remote)} {the_run(project).branch}`" in refused.err
    assert run_id in refused.err


def test_a_token_in_the_remotes_address_is_not_shown(project: Project) -> None:
    GitHub(project)
    ground(project)
    project.git("remote", "set-url", "origin", "https://me:hunter2hunter2@127.0.0.1:9/me/project.git")

    done = project.pitboss("pr")

    assert done.code == 1
    assert "127.0.0.1" in done.err
    assert "hunter2" not in done.err


def test_a_run_that_landed_nothing_has_nothing_to_show(project: Project) -> None:
    GitHub(project)
    project.prompt("work", "exit 3")
    done = project.pitboss("grind", "--max-iterations", "1", "--require-pr")

    run_id = the_run(project).run_id
    assert done.code == 6
    assert f"no pull request: nothing of run {run_id} has landed" in done.err


def test_a_run_that_began_on_no_branch_needs_a_base(project: Project) -> None:
    github = GitHub(project)
    project.git("checkout", "-q", "--detach")
    run_id = ground(project)

    done = project.pitboss("pr")

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        f"error: run {run_id} began on no branch, so there is none to merge it into",
        f"hint: name one: `pitboss pr {run_id} --base main`",
    ]
    assert github.calls == []
    assert project.pitboss("pr", "--base", "main").out == f"opened PR {URL}\n"


def test_a_long_run_is_cut_to_what_github_takes(project: Project) -> None:
    github = GitHub(project)
    ground(project)
    with (the_run(project).folder / "sessions.md").open("a") as sessions:
        sessions.write("## session-0002\n```\n" + "\U0001f680\n" * 40_000 + "```\n")

    assert project.pitboss("pr").code == 0

    body = github.calls[-1]["body"]
    assert len(body.encode("utf-16-le")) // 2 <= 65_536
    assert body.endswith("## session-0002\n\n*(cut here: the rest does not fit into a pull request)*\n")


def test_the_users_repository_is_left_alone(project: Project) -> None:
    GitHub(project)
    ground(project)
    before = (
        project.git("for-each-ref", "refs/heads", "refs/tags", "refs/pitboss"),
        project.git("status", "-sb"),
    )

    assert project.pitboss("pr").code == 0

    after = (
        project.git("for-each-ref", "refs/heads", "refs/tags", "refs/pitboss"),
        project.git("status", "-sb"),
    )
    assert after == before
    assert not os.path.lexists(project.root / ".git/index.lock")
