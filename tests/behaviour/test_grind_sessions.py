"""How sessions end: every row of SPEC 6's table, in one run of scripted agents on a real repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.cli import Project
from tests.support.runs import Run, configure, facts, instruct, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "git -c user.name=agent -c user.email=agent@local commit -q"
SCRIPTS = {
    "adds-a-file": "echo text >added.txt\necho 'Adds a file.' >$PITBOSS_SUMMARY_FILE",
    "amends-history": f"echo mine >README.md; git add README.md; {COMMIT} --amend -m mine",
    "commits-itself": f"echo one >one.txt; git add one.txt; {COMMIT} -m own; echo two >two.txt",
    "deletes-its-summary": "echo gone >$PITBOSS_SUMMARY_FILE; rm $PITBOSS_SUMMARY_FILE; echo kept >kept.txt",
    "detaches": f"git checkout -q --detach; echo loose >loose.txt; git add loose.txt; {COMMIT} -m loose",
    "does-nothing": "true",
    "exits-3": "echo partial >partial.txt; echo no luck; exit 3",
    "fails-with-a-summary": "echo 'Gave up.' >$PITBOSS_SUMMARY_FILE; exit 1",
    "hook-refuses-it": "echo never >never.txt",
    "is-refused-a-commit": "echo secret >forbidden.txt",
    "leaves-a-daemon": "(setsid sleep 300 >/dev/null 2>&1 & echo $! >{out}/daemon); echo done >daemon.txt",
    "makes-a-new-branch": "git checkout -q -b elsewhere; echo moved >moved.txt",
    "prints-bytes": r"printf '\377\376 \000 end\n'; echo bytes >bytes.txt",
    "resets-history": f"echo lost >lost.txt; git add lost.txt; {COMMIT} -m lost; git reset -q --hard HEAD~2",
    "skips-itself": "echo half >half.txt; touch $PITBOSS_SKIP_FILE; exec sleep 60",
    "stashes": "echo hidden >README.md; git -c user.name=a -c user.email=a@local stash -q",
    "takes-too-long": "echo slow >slow.txt; exec sleep 60",
    "writes-a-binary": r"printf '\000\001' >binary; printf '\377 summary' >$PITBOSS_SUMMARY_FILE",
}
ENDINGS = {
    "adds-a-file": ("ok", None, True, 0),
    "amends-history": ("dirty", "history_rewritten", False, 1),
    "commits-itself": ("ok", None, True, 0),
    "deletes-its-summary": ("ok", None, True, 0),
    "detaches": ("dirty", "head_moved: a detached HEAD", False, 1),
    "does-nothing": ("ok", None, False, 0),
    "exits-3": ("error", "exit_code: 3: no luck", False, 1),
    "fails-with-a-summary": ("error", "exit_code: 1", False, 0),
    "goes-silent": ("timeout", "stalled: no progress for 3 s", False, 1),
    "has-no-block": (
        "error",
        (
            "spawn_failed: the prompt `has-no-block` has no ```sh block for the shell agent to run; "
            "put the commands between ```sh and ``` (the word must be `sh`)"
        ),
        False,
        0,
    ),
    "hook-refuses-it": ("error", "hook_failed: exit code 9: not today", False, 0),
    "is-refused-a-commit": ("error", "commit_refused: forbidden.txt may not be committed", False, 1),
    "leaves-a-daemon": ("ok", None, True, 0),
    "makes-a-new-branch": ("dirty", "head_moved: elsewhere", False, 1),
    "prints-bytes": ("ok", None, True, 0),
    "resets-history": ("dirty", "history_rewritten", False, 1),
    "skips-itself": ("skipped", "skipped", False, 1),
    "stashes": ("dirty", "head_moved: commits that are no longer on the run branch", False, 1),
    "takes-too-long": ("timeout", "wall_clock: not done within 3 s", False, 1),
    "writes-a-binary": ("ok", None, True, 0),
}
RESCUED = {
    "amends-history": {"README.md": "mine\n"},
    "detaches": {"loose.txt": "loose\n"},
    "exits-3": {"partial.txt": "partial\n"},
    "goes-silent": {"silent.txt": "silent\n"},
    "is-refused-a-commit": {"forbidden.txt": "secret\n"},
    "makes-a-new-branch": {"moved.txt": "moved\n"},
    "resets-history": {"lost.txt": "lost\n"},
    "skips-itself": {"half.txt": "half\n"},
    "stashes": {"README.md": "hidden\n"},
    "takes-too-long": {"slow.txt": "slow\n"},
}
REFUSE_FORBIDDEN = """#!/bin/sh
git diff --cached --name-only | grep -q forbidden || exit 0
echo forbidden.txt may not be committed >&2
exit 1
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run with a session for each way to end, in the order of the prompts' names."""
    folder = tmp_path_factory.mktemp("sessions")
    project = Project.create(folder / "repo")
    configure(
        project,
        more="""
[grind.hooks]
pre_session = 'if [ "$PITBOSS_PROMPT_NAME" = hook-refuses-it ]; then echo not today; exit 9; fi'
[agent.command]
command = ["sh", "-c", "cat >/dev/null; echo silent >silent.txt; exec sleep 60"]
idle_seconds = 3
""",
    )
    for name, script in SCRIPTS.items():
        limits = {"max_session_seconds": 3} if name == "takes-too-long" else {}
        project.prompt(name, script.replace("{out}", str(folder)), max_runs=1, **limits)
    instruct(project, "goes-silent", max_runs=1, agent="command")
    instruct(project, "has-no-block", max_runs=1)
    hook = project.write(".git/hooks/pre-commit", REFUSE_FORBIDDEN)
    hook.chmod(0o755)
    project.write(".pitboss/skip", "left from before\n")
    done = project.pitboss("grind")
    assert done.code == 1, done
    return the_run(project)


def test_each_prompt_got_one_session_in_the_order_of_their_names(run: Run) -> None:
    assert run.sequence() == [(n, name, n) for n, name in enumerate(sorted(ENDINGS), 1)]


@pytest.mark.parametrize("prompt", ENDINGS)
def test_a_session_that(run: Run, prompt: str) -> None:
    assert verdict(run.record(prompt)) == ENDINGS[prompt]


@pytest.mark.parametrize("prompt", RESCUED)
def test_the_work_is_rescued_of_a_session_that(run: Run, prompt: str) -> None:
    landed = run.files(run.branch)
    rescued = run.rescued(prompt)
    assert {path: text for path, text in rescued.items() if landed.get(path) != text} == RESCUED[prompt]


def test_the_branch_holds_what_landed_and_nothing_else(run: Run) -> None:
    assert run.files(run.branch) == {
        "added.txt": "text\n",
        "binary": "\0\1",
        "bytes.txt": "bytes\n",
        "daemon.txt": "done\n",
        "kept.txt": "kept\n",
        "one.txt": "one\n",
        "two.txt": "two\n",
    }
    assert run.project.git("status", "--porcelain") == ""
    assert run.project.git("branch", "--show-current").strip() == "main"


def test_every_commit_on_the_branch_is_claimed_by_the_record_of_its_session(run: Run) -> None:
    ours = run.project.git(
        "log", "--format=%H", "--grep=^Pitboss-Session:", "--reverse", f"main..{run.branch}"
    )
    assert ours.split() == [r["commit"] for r in run.records if r["commit"]]


def test_every_rescue_ref_is_named_by_the_record_of_its_session(run: Run) -> None:
    refs = run.project.git("for-each-ref", "--format=%(refname)", "refs/pitboss").split()
    expected = [
        f"refs/pitboss/rescue/{run.run_id}/session-{r['seq']:04}" for r in run.records if "rescue" in r
    ]
    assert refs == expected == [ref for r in run.records for ref in r.get("rescue", [])]


def test_a_commit_is_made_by_pitboss_and_says_which_session_it_holds(run: Run) -> None:
    record = run.record("adds-a-file")
    told = run.project.git("log", "-1", "--format=%an <%ae>|%cn <%ce>|%G?|%B", record["commit"])
    assert told == (
        f"pitboss <pitboss@local>|pitboss <pitboss@local>|N|adds-a-file: Adds a file.\n"
        "\nAdds a file.\n"
        f"\nPitboss-Run: {run.run_id}\nPitboss-Session: 1\nPitboss-Prompt: adds-a-file\n\n"
    )


@pytest.mark.parametrize(
    ("script", "landed"),
    [
        (
            "echo 1 > one.txt; git add -A; git -c user.name=a -c user.email=a@b commit -qm own",
            {"one.txt": "1\n"},
        ),
        ("echo 1 > one.txt; git add -A; echo 2 > two.txt", {"one.txt": "1\n", "two.txt": "2\n"}),
        ("git add -A", {}),
        ("echo 1 > one.txt; git add -A; git -c user.name=a -c user.email=a@b commit -qm own; exit 1", {}),
    ],
    ids=["committed", "staged", "staged-alone", "committed-and-failed"],
)
@pytest.mark.parametrize("tracked", [False, True], ids=["untracked", "edited"])
def test_prompts_and_settings_that_are_not_in_git_stay_as_they_are_when_an_agent_adds_everything(
    tmp_path: Path, script: str, landed: dict[str, str], tracked: bool
) -> None:
    project = Project.create(tmp_path / "repo")
    project.write(".gitignore", "")
    if tracked:
        project.commit("Prompts are kept in git")
    else:
        project.git("-c", "user.name=t", "-c", "user.email=t@local", "commit", "-qam", "Nothing is ignored")
    configure(project)
    project.prompt("chore", script, max_runs=2)
    before = {path: path.read_bytes() for path in project.root.glob(".pitboss/**/*.*") if path.is_file()}
    status = project.git("status", "--porcelain", "--untracked-files=normal")
    project.pitboss("grind")
    run = the_run(project)
    assert {path: path.read_bytes() for path in before if path.exists()} == before
    assert set(run.files(run.branch)) - {".pitboss/config.toml"} == set(landed)
    assert project.git("status", "--porcelain", "--untracked-files=normal") == status


def test_an_agents_own_commit_stays_below_the_one_that_lands_the_rest(run: Run) -> None:
    tip = run.record("commits-itself")["commit"]
    subjects = run.project.git("log", "-2", "--format=%an: %s", tip).splitlines()
    assert subjects == ["pitboss: commits-itself: (no summary provided)", "agent: own"]


def test_a_record_says_what_happened_and_leaves_out_what_says_nothing(run: Run) -> None:
    record = run.record("exits-3")
    assert facts(record) == {
        "seq": 7,
        "prompt": "exits-3",
        "status": "error",
        "summary": "exit code: 3: no luck",
        "tokens": {"input": 0, "output": 0, "by_role": {}},
        "cost_usd": 0.0,
        "rotation": 7,
        "reason": "exit_code: 3: no luck",
        "agent": "shell",
    }
    assert record["run_id"] == run.run_id
    assert record["transcript_path"] == "transcripts/session-0007.log"
    assert (run.folder / record["transcript_path"]).read_text() == "no luck\n"
    assert record["started_at"] <= record["ended_at"]


@pytest.mark.parametrize(
    ("prompt", "summary"),
    [
        ("adds-a-file", "Adds a file."),
        ("deletes-its-summary", "(no summary provided)"),
        ("does-nothing", "(no summary provided)"),
        ("fails-with-a-summary", "Gave up."),
        ("takes-too-long", "wall clock: not done within 3 s"),
        ("skips-itself", "skipped"),
        ("writes-a-binary", "\ufffd summary"),
    ],
)
def test_the_summary_is_the_agents_or_the_reason_in_words(run: Run, prompt: str, summary: str) -> None:
    assert run.record(prompt)["summary"] == summary


def test_a_transcript_keeps_the_bytes_as_they_came(run: Run) -> None:
    transcript = run.folder / run.record("prints-bytes")["transcript_path"]
    assert transcript.read_bytes() == b"\xff\xfe \x00 end\n"


def test_a_daemon_that_an_agent_left_is_gone(run: Run) -> None:
    pid = int((run.project.root.parent / "daemon").read_text())
    assert proctree.start_time(pid) is None


def test_a_skip_file_is_taken_away_once_heeded(run: Run) -> None:
    assert not (run.project.root / ".pitboss/skip").exists()


def test_the_state_at_the_end_describes_all_records(run: Run) -> None:
    state = run.state
    assert run.ending() == ("completed", "every prompt has had its runs")
    assert (state["last_session_seq"], state.get("in_flight", [])) == (len(ENDINGS), [])
    assert state["budget_consumed"] == {
        "iterations": len(ENDINGS),
        "tokens_input": 0,
        "tokens_output": 0,
        "cost_usd": 0.0,
        "consecutive_failures": 0,
    }
    assert state["scheduler_state"]["runs_per_prompt"] == dict.fromkeys(ENDINGS, 1)
    assert (state["original_branch"], state["base_commit"]) == (
        "main",
        run.project.git("rev-parse", "main").strip(),
    )


def test_sessions_md_has_an_entry_for_every_record(run: Run) -> None:
    headings = [
        line for line in (run.folder / "sessions.md").read_text().splitlines() if line.startswith("## ")
    ]
    assert headings == [f"## session-{r['seq']:04} — {r['prompt']} ({r['status']})" for r in run.records]


def test_land_always_lands_what_a_failed_agent_left_but_not_what_a_slow_one_did(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind='land = "always"')
    project.prompt("fails", "echo half >half.txt; exit 2", max_runs=1)
    project.prompt("slow", "echo slow >slow.txt; exec sleep 60", max_runs=1, max_session_seconds=3)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    assert [verdict(r) for r in run.records] == [
        ("error", "exit_code: 2", True, 0),
        ("timeout", "wall_clock: not done within 3 s", False, 1),
    ]
    assert run.files(run.branch) == {"half.txt": "half\n"}


def test_commits_need_no_identity_follow_git_author_and_are_never_signed(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, more='[git]\nauthor = "Night Shift <night@example.org>"')
    project.git("config", "commit.gpgSign", "true")
    project.git("config", "gpg.program", "false")
    project.git("config", "core.editor", "false")
    project.prompt("one", "echo text >added.txt", max_runs=1)
    before = project.git("config", "--local", "--list")
    assert project.pitboss("grind").code == 0
    told = project.git("log", "-1", "--format=%an <%ae>|%cn <%ce>|%G?|%s", the_run(project).branch).strip()
    assert told == (
        "Night Shift <night@example.org>|Night Shift <night@example.org>|N|one: (no summary provided)"
    )
    assert project.git("config", "--local", "--list") == before


def test_transcripts_are_not_kept_where_nobody_wants_them(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind='transcript_retention = "keep-none"')
    project.prompt("one", "echo chatter; echo 'Said little.' >$PITBOSS_SUMMARY_FILE", max_runs=1)
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    assert run.record("one")["summary"] == "Said little."
    assert [path.name for path in (run.folder / "transcripts").iterdir()] == []


def test_a_broken_sessions_md_ends_nothing_and_is_whole_at_the_end(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "repo")
    folder = '"$(dirname "$PITBOSS_SCRATCHPAD")"'
    project.prompt("a-breaks-it", f"rm {folder}/sessions.md; mkdir {folder}/sessions.md", max_runs=1)
    project.prompt("b-works", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    headings = [
        line for line in (the_run(project).folder / "sessions.md").read_text().splitlines() if "##" in line
    ]
    assert headings == ["## session-0001 — a-breaks-it (ok)", "## session-0002 — b-works (ok)"]


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("deep", ["", "deep/"])
def test_files_are_put_back_as_the_repository_writes_them_not_as_the_session_would(
    tmp_path: Path, tracked: bool, deep: str
) -> None:
    project = Project.create(tmp_path / "project")
    text = project.root / f"{deep}text.txt"
    project.write(f"{deep}text.txt", "text\n")
    if tracked:
        project.write(f"{deep}.gitattributes", "*.png binary\n")
    project.commit("Text")
    configure(project)
    rules = f"echo '* text eol=crlf' >{deep}.gitattributes"
    project.prompt("fails", f"{rules}; echo changed >{deep}text.txt; exit 1", max_runs=1)

    project.pitboss("grind")

    assert text.read_bytes() == b"text\n"
    assert (project.root / f"{deep}.gitattributes").exists() is tracked
    assert project.git("status", "--porcelain") == ""
    (record,) = the_run(project).records
    assert "eol=crlf" in project.git("show", f"{record['rescue'][0]}:{deep}.gitattributes")


@pytest.mark.parametrize("mode", ["in-place", "worktree"])
@pytest.mark.parametrize("encoding", ["working-tree-encoding", "working-tree-encoding=UTF-16"])
def test_attributes_on_the_run_branch_that_git_refuses_files_for_cost_only_the_sessions_that_write_such_files(
    tmp_path: Path, encoding: str, mode: str
) -> None:
    project = Project.create(tmp_path / "project")
    configure(project, grind=f'mode = "{mode}"')
    commit = "git add -A && git -c user.name=a -c user.email=a@local commit -qm own"
    project.prompt("a-commits-rules", f"echo '*.odd {encoding}' >.gitattributes; {commit}", max_runs=1)
    project.prompt("b-writes-one", "echo odd >one.odd; echo plain >plain.txt", max_runs=1)
    project.prompt("c-writes-none", "echo c >c.txt", max_runs=1)

    project.pitboss("grind")

    run = the_run(project)
    first, second, third = run.records
    assert [r["status"] for r in run.records] == ["ok", "error", "ok"]
    assert second["reason"].startswith("git_failed: git add failed: fatal: ")
    kept = run.files(second["rescue"][0])
    assert (kept["one.odd"], kept["plain.txt"]) == ("odd\n", "plain\n")
    assert project.git("show", f"{third['commit']}:.gitattributes") == f"*.odd {encoding}\n"
    assert project.git("diff", "--stat", first["commit"], third["commit"], "--", ".gitattributes") == ""
