"""What a session does at home it does on a worker: steps, caps, limits, retries, requests (SPEC 14)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pitboss.core.text import CONTINUE
from tests.support.acts import SESSION, Player, busy, done, init, limited, message, said
from tests.support.agents import executable
from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, Run, configure, ends, grinding, instruct, the_run, verdict
from tests.support.side_by_side import meeting

if TYPE_CHECKING:
    from typing import Any

OK = ("ok", None)
AT_ONCE = "[limits]\nretry_base_seconds = 0.01\n"


def claude(project: Project, *acts: str, more: str = AT_ONCE, **meta: object) -> Player:
    """One prompt for Claude Code, which plays these acts, on any of two workers."""
    configure(project, agent="claude_code", more=f'{more}[workers]\naddress = "local:2"\n')
    instruct(project, "chore", max_runs=1, parallel_safe=True, **meta)
    return Player(project, "claude", *acts)


def free(project: Project) -> list[str]:
    """The fit workers of the live run that have no session."""
    listed = project.pitboss("workers", "--json").json()
    return [each["name"] for each in listed if each["unfit"] is None and not each["seqs"]]


def steps(run: Run) -> list[dict[str, Any]]:
    """The steps in events.jsonl so far, without a line that is just being written."""
    lines = (run.folder / "events.jsonl").read_text().splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in events if event["kind"] == "step"]


def printed(run: Run) -> str:
    """The transcript of the first session so far."""
    return "".join(path.read_text() for path in run.folder.glob("transcripts/session-0001.log"))


def test_steps_tokens_and_transcript_are_at_home_while_the_agent_still_works(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    begins = said(init(), message("one", 1000, 50, "On it."))
    claude(project, f"{begins}\n{gate.script}\n{done(1300, 70)}")
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        wait_until(lambda: any(step["tokens"]["input"] == 1000 for step in steps(run)))
        wait_until(lambda: "On it." in printed(run))
        gate.open()
        assert live.ended().code == 0


def test_an_agent_that_prints_nothing_has_an_empty_transcript_as_it_has_at_home(project: Project) -> None:
    project.prompt("quiet", "true", max_runs=1)
    for where in ((), ("--workers", "local:1")):
        assert project.pitboss("grind", *where).code == 0
        assert project.pitboss("show", "--transcript") == (0, "", "")


def test_a_session_that_reaches_its_cost_cap_is_ended_while_its_agent_works(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")  # nobody opens it
    report = '{"input_tokens": 10, "output_tokens": 5, "cost_usd": 1.5}'
    script = f"""cat >/dev/null; echo half >work.txt; echo '{report}' >"$PITBOSS_USAGE_FILE"
{gate.script}; echo whole >work.txt"""
    agent = f"[agent.command]\ncommand = {json.dumps(['sh', '-c', script])}\n"
    configure(project, agent="command", more=f'{agent}[workers]\naddress = "local:1"\n')
    instruct(project, "chore", max_runs=1, max_session_cost_usd=1.0)
    ended = project.pitboss("grind")
    run = the_run(project)
    assert ended.code == 1, ended
    (record,) = run.records
    assert verdict(record)[1:] == ("cost_cap: $1.5000 >= $1.0000", False, 1)
    assert (record["cost_usd"], record["host"]) == (1.5, "local-1")
    assert run.rescued("chore") == {"work.txt": "half\n"}


def test_what_an_agent_says_while_it_is_being_ended_is_at_home_before_it_has_ended(
    project: Project, tmp_path: Path
) -> None:
    stopped, alive, over = tmp_path / "stopped", tmp_path / "alive", tmp_path / "over"
    begins = said(init(), message("one", 1_000_000, 50, "On it."))
    script = f"""trap 'touch {stopped}' INT
{begins}
while [ ! -e {stopped} ]; do sleep 0.05; done
sleep 1.5
{said(message("two", 1000, 50, "Not yet."))}
while [ ! -e {over} ]; do touch {alive}; sleep 0.1; done"""
    claude(project, script, max_session_cost_usd=0.01)
    with grinding(project) as live:
        wait_until(stopped.exists)
        run = the_run(project)
        wait_until(lambda: "Not yet." in printed(run))
        wait_until(alive.exists)
        alive.unlink()
        wait_until(alive.exists)
        over.touch()
        live.ended()
    (record,) = run.records
    assert record["tokens"]["input"] == 1_001_000


@pytest.mark.parametrize(
    ("first", "waits_for"),
    [(busy(), "retry: overloaded"), (limited(resets_in=3), "claude_code's usage limit until 20")],
    ids=["busy", "usage-limit"],
)
def test_an_agent_that_is_asked_again_goes_on_with_its_session_in_its_tree_on_its_worker(
    project: Project, tmp_path: Path, first: str, waits_for: str
) -> None:
    where = f'printenv PITBOSS_WORKTREE >>"{tmp_path}/where"; echo x >>work.txt'
    player = claude(project, f"{where}\n{first}", f"{where}\n{done(1300, 70, 0.014, (1300, 70))}")
    ended = project.pitboss("grind")
    run = the_run(project)
    assert (ended.code, player.starts) == (0, 2), ended
    (record,) = run.records
    assert verdict(record) == (*OK, True, 0)
    assert record["attempts"] == 2
    assert run.files(run.branch) == {"work.txt": "x\nx\n"}
    again = player.args(2)
    assert again[again.index("--resume") + 1] == SESSION
    assert player.stdin(2) == CONTINUE
    one, other = (tmp_path / "where").read_text().splitlines()
    assert one == other
    assert f"/{record['host']}/" in one
    assert f"session-0001 chore: waiting for {waits_for}" in ended.err


def test_what_fails_its_tests_on_a_worker_is_mended_there_by_a_fixer(project: Project) -> None:
    player = claude(
        project,
        f"echo bad >work.txt\n{done()}",
        f"echo good >work.txt\n{done()}",
        more="[tests]\ncommand = 'grep good work.txt'\n",
        verify=True,
    )
    ended = project.pitboss("grind")
    run = the_run(project)
    assert (ended.code, player.starts) == (0, 2), ended
    assert [verdict(record) for record in run.records] == [(*OK, True, 0)]
    assert run.files(run.branch) == {"work.txt": "good\n"}
    assert run.records[0]["tokens"]["input"] == 600


def test_sessions_on_workers_finish_when_the_run_drains_and_end_when_it_is_stopped_now(
    project: Project, tmp_path: Path
) -> None:
    finishes, stays = Gate(tmp_path / "finishes"), Gate(tmp_path / "stays")
    meet = meeting(tmp_path / "meeting", 2)
    project.prompt("alpha", f"{meet}; {finishes.script}; echo a >a.txt", parallel_safe=True)
    project.prompt("beta", f"{meet}; echo half >b.txt; {stays.script}; echo b >b.txt", parallel_safe=True)
    with grinding(project, "--workers", "local:2") as live:
        stays.wait()
        finishes.wait()
        assert project.pitboss("stop").code == 0
        live.wait_for("draining: no new session starts")
        finishes.open()
        run = the_run(project)
        wait_until(lambda: len(run.records) == 1)
        assert project.pitboss("stop", "--now").code == 0
        live.ended()
    assert {record["prompt"]: record["status"] for record in run.records} == {
        "alpha": "ok",
        "beta": "aborted",
    }
    assert run.files(run.branch) == {"a.txt": "a\n"}
    assert run.rescued("beta") == {"b.txt": "half\n"}


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_git_hook_that_hangs_on_a_worker_ends_when_the_run_is_stopped_at_once_or_gone(
    project: Project, tmp_path: Path, how: str
) -> None:
    configure(project, more="[workers]\nlost_after_s = 4")
    project.prompt("alpha", "echo text >a.txt", parallel_safe=True, max_runs=1)
    gate = Gate(tmp_path / "gate", looks=60_000)
    hook, pid = project.root / ".git/hooks/pre-commit", tmp_path / "pid"
    hook.parent.mkdir(exist_ok=True)
    executable(hook, f"echo $$ >{pid}; {gate.script}")
    with grinding(project, "--workers", "local:1") as live:
        gate.wait()
        run = the_run(project)
        if how == "stopped":
            assert project.pitboss("stop", "--now").code == 0
        else:
            live.kill()
        live.ended()
        wait_until(lambda: not Path(f"/proc/{int(pid.read_text())}").exists())
    gate.open()
    if how == "killed":
        assert project.pitboss("grind", "--resume", "--workers", "local:1").code in (0, 1)
    kept = [run.files(ref) for ref in run.records[0]["rescue"]]
    assert (run.records[0]["status"], kept) == ("aborted", [{"a.txt": "text\n"}])


def test_a_session_on_a_worker_is_skipped_and_a_paused_run_begins_no_other(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")  # nobody opens it
    script = (
        f"echo half >work.txt; [ $PITBOSS_SESSION_SEQ != 1 ] || {{ {gate.script}; }}; echo whole >work.txt"
    )
    project.prompt("alpha", script, parallel_safe=True, max_runs=2)
    with grinding(project, "--workers", "local:1") as live:
        gate.wait()
        run = the_run(project)
        assert project.pitboss("pause").code == 0
        assert project.pitboss("skip", "1").code == 0
        live.wait_for("paused")
        wait_until(lambda: run.state["last_session_seq"] == 1)
        assert (run.state["paused"], run.state.get("in_flight", [])) == (True, [])
        assert project.pitboss("unpause").code == 0
        assert live.ended().code == 0
    skipped, landed = run.records
    assert (verdict(skipped), verdict(landed)) == (("skipped", "skipped", False, 1), (*OK, True, 0))
    assert run.files(skipped["rescue"][0]) == {"work.txt": "half\n"}
    assert run.files(run.branch) == {"work.txt": "whole\n"}


def test_a_queued_task_is_the_next_session_of_a_live_run_and_whoever_looks_learns_where_it_ran(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    configure(project, more=f'[grind.worktree]\nsetup = "echo x >>{tmp_path}/set-up"\n')
    project.prompt("alpha", f"[ $PITBOSS_SESSION_SEQ != 1 ] || {{ {gate.script}; }}", max_runs=2)
    project.write("task.md", "---\nname: door\n---\n```sh\necho open >door.txt\n```\n")
    with grinding(project, "--workers", "local:1") as live:
        gate.wait()
        assert project.pitboss("queue", "add", "-f", "task.md").code == 0
        gate.open()
        assert live.ended().code == 0
    run = the_run(project)
    assert [record["prompt"] for record in run.records] == ["alpha", "door", "alpha"]
    assert {record["host"] for record in run.records} == {"local-1"}
    assert run.files(run.branch) == {"door.txt": "open\n"}
    assert (tmp_path / "set-up").read_text() == "x\n"
    assert [each["prompt"] for each in project.pitboss("review", "--json").json()] == ["door"]
    assert re.search(r"^worker +local-1$", project.pitboss("show", "2").out, re.MULTILINE)
    assert "on local-1" in (run.folder / "report.html").read_text()


def test_an_exclusive_prompt_runs_alone_though_workers_are_free(project: Project, tmp_path: Path) -> None:
    gate, here, seen = Gate(tmp_path / "gate"), tmp_path / "here", tmp_path / "seen"
    here.mkdir()
    works = f": >{here}/$PITBOSS_SESSION_SEQ; {meeting(tmp_path / 'meeting', 2)}; {gate.script}"
    for name in ("alpha", "beta"):
        script = f"{works}; rm {here}/$PITBOSS_SESSION_SEQ"
        project.prompt(name, script, parallel_safe=True, max_runs=1)
    project.prompt("gamma", f"ls {here} | wc -l >>{seen}", max_runs=1)
    with grinding(project, "--workers", "local:3") as live:
        gate.wait()
        wait_until(lambda: free(project))
        gate.open()
        assert live.ended().code == 0
    assert ends(the_run(project)) == [OK] * 3
    assert seen.read_text().split() == ["0"]
