"""Landing from slots: merged one at a time onto a branch that moves, or set aside and tried once more (SPEC 6)."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project, wait_until
from tests.support.runs import Gate, Run, configure, grinding, instruct, the_run, verdict
from tests.support.side_by_side import AUTHOR, bounded, meeting, remains, until_recorded, waiting_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.write("poem.txt", "".join(f"line {n}\n" for n in range(1, 21)))
    project.commit("A poem")
    configure(project)
    return project


def history(run: Run) -> list[str]:
    """The sessions whose commits the run branch holds, oldest first, each commit on top of the one before."""
    log = run.project.git(
        "log", "--reverse", "--format=%P|%(trailers:key=Pitboss-Session,valueonly)|%H", f"main..{run.branch}"
    )
    entries = [line.split("|") for line in log.replace("\n|", "|").splitlines() if line]
    tip = run.project.git("rev-parse", "main").strip()
    for parents, _, oid in entries:
        assert parents == tip
        tip = oid
    return [seq for _, seq, _ in entries]


def test_disjoint_edits_side_by_side_come_to_the_same_tree_as_one_after_the_other(tmp_path: Path) -> None:
    trees = []
    for name, slots in (("parallel", 4), ("sequential", 1)):
        project = Project.create(tmp_path / name)
        project.write("poem.txt", "".join(f"line {n}\n" for n in range(1, 21)))
        project.write("data/old.bin", "\0\1\2")
        project.commit("A poem")
        configure(project)
        meet = meeting(tmp_path / f"meeting-{name}", 4) if slots > 1 else "true"
        edits = {
            "a-edits": "sed -i 's/line 2$/second/' poem.txt",
            "b-edits": "sed -i 's/line 19$/nineteenth/' poem.txt",
            "c-moves": "mkdir -p deep/er; git mv data/old.bin deep/er/new.bin; chmod +x deep/er/new.bin",
            "d-links": "ln -s poem.txt link; printf '\\000\\001' >bin; : >'with \"quotes\" and ünicode'",
        }
        for prompt, script in edits.items():
            project.prompt(prompt, f"{meet}\n{script}", parallel_safe=True, max_runs=1)
        done = project.pitboss("grind", "--max-parallel", str(slots))
        assert done.code == 0, done
        run = the_run(project)
        assert sorted(history(run)) == ["1", "2", "3", "4"]
        assert remains(run) == []
        assert project.git("status", "--porcelain") == ""
        trees.append(project.git("ls-tree", "-r", run.branch))
    assert trees[0] == trees[1]


def test_commits_follow_each_other_in_the_order_in_which_sessions_end(
    project: Project, tmp_path: Path
) -> None:
    meet = meeting(tmp_path / "meeting", 3)
    for nth, name in enumerate(("a-last", "b-second", "c-first")):
        turn = until_recorded(nth + 2) if nth < 2 else "true"
        project.prompt(name, f"{meet}\n{turn}\necho {name} >{name}", parallel_safe=True, max_runs=1)
    done = project.pitboss("grind", "--max-parallel", "3")
    run = the_run(project)
    assert done.code == 0, done
    assert history(run) == ["3", "2", "1"]
    assert [r["seq"] for r in run.records] == [3, 2, 1]
    told = "%(trailers:key=Pitboss-Session,valueonly,separator=%x2c) %s"
    assert project.git("log", f"--format={told}", f"main..{run.branch}").splitlines() == [
        f"{seq} {name}: (no summary provided)"
        for seq, name in ((1, "a-last"), (2, "b-second"), (3, "c-first"))
    ]
    assert {r["commit"] for r in run.records} == set(project.git("rev-list", f"main..{run.branch}").split())
    assert run.state["last_session_seq"] == 3


def test_the_same_edit_made_twice_lands_once_and_is_no_conflict(project: Project, tmp_path: Path) -> None:
    meet = meeting(tmp_path / "meeting", 2)
    project.prompt("chore", f"{meet}\necho same >same.txt", parallel_safe=True, max_runs=2)
    assert project.pitboss("grind", "--max-parallel", "2").code == 0
    run = the_run(project)
    assert sorted(verdict(r) for r in run.records) == [("ok", None, False, 0), ("ok", None, True, 0)]
    assert len(history(run)) == 1


def test_commits_that_an_agent_makes_itself_are_reachable_from_the_branch(
    project: Project, tmp_path: Path
) -> None:
    meet = meeting(tmp_path / "meeting", 2)
    commits = " ".join(f"echo {n} >own-{n}; git add .; {AUTHOR} commit -qm own-{n};" for n in (1, 2))
    own = f"{commits} git rev-parse HEAD >{tmp_path}/tip; echo 3 >own-3"
    project.prompt("a-commits", f"{meet}\n{own}\n{until_recorded(2)}", parallel_safe=True, max_runs=1)
    project.prompt("b-works", f"{meet}\necho b >b.txt", parallel_safe=True, max_runs=1)
    assert project.pitboss("grind", "--max-parallel", "2").code == 0
    run = the_run(project)
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)] * 2
    project.git("merge-base", "--is-ancestor", (tmp_path / "tip").read_text().strip(), run.branch)
    assert project.git("rev-parse", run.branch).strip() == run.record("a-commits")["commit"]
    assert run.files(run.branch) == {"b.txt": "b\n", "own-1": "1\n", "own-2": "2\n", "own-3": "3\n"}


def test_a_conflict_is_rescued_with_its_paths_and_tried_again_on_the_new_tip(
    project: Project, tmp_path: Path
) -> None:
    meet = f"[ $PITBOSS_SESSION_SEQ -gt 2 ] || {{ {meeting(tmp_path / 'meeting', 2)}; }}"
    edit = 'sed -i "s/line 3$/by $PITBOSS_SESSION_SEQ/; s/by a$/by a and $PITBOSS_SESSION_SEQ/" poem.txt'
    project.prompt("a-first", f"{meet}\nsed -i 's/line 3$/by a/' poem.txt", parallel_safe=True, max_runs=1)
    project.prompt(
        "b-later",
        f"{meet}\n{until_recorded(1)}\n{edit}\necho b >made-$PITBOSS_SESSION_SEQ",
        parallel_safe=True,
        max_runs=1,
    )
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 1, done
    first, conflicted, retried = run.records
    assert verdict(first) == ("ok", None, True, 0)
    assert verdict(conflicted) == ("error", "conflict: poem.txt", False, 1)
    assert (verdict(retried), retried["prompt"], retried["retry_of"]) == (("ok", None, True, 0), "b-later", 2)
    assert run.files(conflicted["rescue"][0])["made-2"] == "b\n"
    assert "by 2\n" in run.files(conflicted["rescue"][0])["poem.txt"]
    assert history(run) == ["1", "3"]
    assert "by a and 3\n" in run.files(run.branch)["poem.txt"]
    assert remains(run) == []


RIVALS = """
mine=$(ls {out}/$PITBOSS_PROMPT_NAME-* 2>/dev/null | wc -l)
: >{out}/$PITBOSS_PROMPT_NAME-$mine
if [ $PITBOSS_PROMPT_NAME = winner ]; then
    {loser_is_there}
else
    {winner_landed}
fi
echo $PITBOSS_SESSION_SEQ >poem.txt
"""


def test_a_second_conflict_is_not_tried_again(project: Project, tmp_path: Path) -> None:
    log = "${PITBOSS_SUMMARY_FILE%/runs/*}/runs/$PITBOSS_RUN_ID/sessions.jsonl"
    script = RIVALS.format(
        out=tmp_path,
        loser_is_there=waiting_for(f"{tmp_path}/loser-$mine"),
        winner_landed=bounded(f"""[ $(grep -c '"prompt":"winner"' {log}) -gt $mine ]"""),
    )
    project.prompt("winner", script, parallel_safe=True, max_runs=2)
    project.prompt("loser", script, parallel_safe=True, max_runs=1)
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 1, done
    first, again = (r for r in run.records if r["prompt"] == "loser")
    conflict = ("error", "conflict: poem.txt", False, 1)
    assert [(verdict(r), r.get("retry_of")) for r in (first, again)] == [
        (conflict, None),
        (conflict, first["seq"]),
    ]
    assert [verdict(r) for r in run.records if r["prompt"] == "winner"] == [("ok", None, True, 0)] * 2
    assert run.ending() == ("completed", "every prompt has had its runs")
    assert remains(run) == []


VERIFY = "[tests]\ncommand = 'sh check.sh'\n"
CHECK = "[ ! -e a.txt ] || [ ! -e b.txt ] || [ -e c.txt ]\n"


def two_that_pass_alone(project: Project, tmp_path: Path, fix: str) -> Run:
    """Two sessions of which each passes the tests, but not both together."""
    meet = meeting(tmp_path / "meeting", 2)
    script = f"""
case $PITBOSS_USAGE_FILE in
*.fix-*) cat >{tmp_path}/fixer; {fix}; exit ;;
esac
cat >/dev/null
{meet}
[ $PITBOSS_SESSION_SEQ = 1 ] || {{ {until_recorded(1)}; }}
echo text >$PITBOSS_PROMPT_NAME.txt
"""
    project.write("check.sh", CHECK)
    project.commit("Tests")
    configure(
        project, agent="command", more=f"{VERIFY}[agent.command]\ncommand = ['sh', '-ec', '''{script}''']"
    )
    for name in ("a", "b"):
        instruct(project, name, verify=True, parallel_safe=True, max_runs=1)
    project.pitboss("grind", "--max-parallel", "2")
    return the_run(project)


def red_commits(run: Run) -> list[str]:
    """Commits of the run branch at which the tests fail."""
    paths = [
        run.project.git("ls-tree", "-r", "--name-only", oid).split()
        for oid in run.project.git("rev-list", run.branch).split()
    ]
    return [str(found) for found in paths if {"a.txt", "b.txt"} <= {*found} and "c.txt" not in found]


def test_what_fails_only_together_never_lands(project: Project, tmp_path: Path) -> None:
    run = two_that_pass_alone(project, tmp_path, "true")
    assert [r["status"] for r in run.records] == ["ok", "error"]
    record = run.record("b")
    assert record["reason"].startswith("verify_failed")
    assert run.rescued("b")["b.txt"] == "text\n"
    assert run.files(run.branch) == {"a.txt": "text\n"}
    assert red_commits(run) == []
    assert remains(run) == []


def test_a_fixer_may_mend_what_fails_only_together(project: Project, tmp_path: Path) -> None:
    run = two_that_pass_alone(project, tmp_path, "echo mended >c.txt")
    assert [verdict(r) for r in run.records] == [("ok", None, True, 0)] * 2
    assert run.files(run.branch) == {"a.txt": "text\n", "b.txt": "text\n", "c.txt": "mended\n"}
    assert "sh check.sh" in (tmp_path / "fixer").read_text()
    assert red_commits(run) == []
    assert sorted(history(run)) == ["1", "2"]


HOOK = """#!/bin/sh
echo "$(basename $0) $(pwd)" >>{out}
{rest}
"""


def test_the_users_git_hooks_run_for_each_commit_and_may_change_its_message(
    project: Project, tmp_path: Path
) -> None:
    out = tmp_path / "hooks"
    for name, rest in {"pre-commit": "true", "commit-msg": 'printf "\\nTicket: 7\\n" >>"$1"'}.items():
        project.write(f".git/hooks/{name}", HOOK.format(out=out, rest=rest)).chmod(0o755)
    meet = meeting(tmp_path / "meeting", 2)
    project.prompt("chore", f"{meet}\necho text >made-$PITBOSS_SESSION_SEQ", parallel_safe=True, max_runs=2)
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 0, done
    messages = project.git("log", "--format=%B%x00", f"main..{run.branch}").split("\0")[:-1]
    assert len(messages) == 2
    assert all("Ticket: 7" in m and "Pitboss-Session: " in m for m in messages)
    ran = sorted(out.read_text().splitlines())
    assert ran == sorted(
        f"{name} {run.folder}/worktrees/slot-{n}" for name in ("pre-commit", "commit-msg") for n in (1, 2)
    )


def test_a_commit_that_a_git_hook_refuses_is_rescued(project: Project, tmp_path: Path) -> None:
    refuse = "git diff --cached --name-only | grep -q made-1 || exit 0; echo no >&2; exit 1"
    project.write(".git/hooks/pre-commit", HOOK.format(out=tmp_path / "hooks", rest=refuse)).chmod(0o755)
    meet = meeting(tmp_path / "meeting", 2)
    project.prompt("chore", f"{meet}\necho text >made-$PITBOSS_SESSION_SEQ", parallel_safe=True, max_runs=2)
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 1, done
    ends = {r["seq"]: verdict(r) for r in run.records}
    assert ends == {1: ("error", "commit_refused: no", False, 1), 2: ("ok", None, True, 0)}
    assert run.files(run.branch) == {"made-2": "text\n"}


def test_the_users_checkout_follows_each_landing_and_what_the_user_does_there_meanwhile_is_kept(
    project: Project, tmp_path: Path
) -> None:
    gates = [Gate(tmp_path / f"gate-{n}") for n in (1, 2)]
    for gate, name in zip(gates, ("a", "b"), strict=True):
        project.prompt(
            name,
            f"{gate.script}\necho {name} >{name}.txt; sed -i 's/line {5 if name == 'a' else 15}$/by {name}/' poem.txt",
            parallel_safe=True,
            max_runs=1,
        )
    with grinding(project, "--max-parallel", "2") as live:
        for gate in gates:
            gate.wait()
        run = the_run(project)
        gates[0].open()
        wait_until(lambda: len(run.records) == 1)
        followed = (
            project.git("status", "--porcelain"),
            (project.root / "a.txt").read_text(),
            (project.root / "poem.txt").read_text(),
        )
        project.write("README.md", "edited by the user\n")
        project.write("notes.txt", "the user's\n")
        gates[1].open()
        assert live.ended().code == 0
    assert followed[:2] == ("", "a\n")
    assert "by a\n" in followed[2]
    assert project.git("status", "--porcelain") == " M README.md\n?? notes.txt\n"
    assert (project.root / "README.md").read_text() == "edited by the user\n"
    assert "by b\n" in (project.root / "poem.txt").read_text()
    assert [r.get("rescue") for r in run.records] == [None, None]


def test_what_the_user_did_in_the_way_of_a_landing_is_rescued(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt(
        "a",
        f"{gate.script}\necho by the agent >poem.txt; echo agent >new.txt",
        parallel_safe=True,
        max_runs=1,
    )
    with grinding(project, "--max-parallel", "2") as live:
        gate.wait()
        project.write("poem.txt", "by the user\n")
        project.write("new.txt", "user\n")
        project.write("other.txt", "user\n")
        gate.open()
        assert live.ended().code == 0
    run = the_run(project)
    kept = run.rescued("a")
    assert kept["poem.txt"] == "by the user\n"
    assert kept["new.txt"] == "user\n"
    assert kept["other.txt"] == "user\n" or (project.root / "other.txt").exists()
    assert run.files(run.branch) == {"poem.txt": "by the agent\n", "new.txt": "agent\n"}
    assert (project.root / "poem.txt").read_text() == "by the agent\n"


def test_a_commit_of_the_users_on_the_run_branch_meanwhile_ends_no_run_and_is_not_lost(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt(
        "a", f"{gate.script}\necho agent >new-$PITBOSS_SESSION_SEQ.txt", parallel_safe=True, max_runs=2
    )
    with grinding(project, "--max-parallel", "2") as live:
        gate.wait()
        project.write("user.txt", "user\n")
        project.commit("By the user")
        tip = project.git("rev-parse", "HEAD").strip()
        gate.open()
        done = live.ended()
    run = the_run(project)
    assert done.code == 0, done
    assert run.files(run.branch)["user.txt"] == "user\n"
    project.git("merge-base", "--is-ancestor", tip, run.branch)


NOTES = """
{meet}
cat $PITBOSS_SCRATCHPAD >{out}/seen-$PITBOSS_SESSION_SEQ
echo "note of $PITBOSS_SESSION_SEQ" >>$PITBOSS_SCRATCHPAD
"""


def test_notes_are_merged_once_in_the_order_of_landing_and_seen_by_later_sessions(
    project: Project, tmp_path: Path
) -> None:
    both = meeting(tmp_path / "meeting", 2)
    meet = f"{both}; [ $PITBOSS_SESSION_SEQ != 1 ] || {{ {until_recorded(2)}; }}"
    project.prompt("chore", NOTES.format(meet=meet, out=tmp_path), parallel_safe=True, max_runs=2)
    project.prompt("z-alone", "cat $PITBOSS_SCRATCHPAD >seen.txt", max_runs=1, every=3)
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 0, done
    notes = (run.folder / "scratchpad.md").read_text()
    assert notes.index("note of 2") < notes.index("note of 1")
    assert notes.count("note of") == 2
    assert (tmp_path / "seen-1").read_text() == (tmp_path / "seen-2").read_text()
    assert "note of" not in (tmp_path / "seen-1").read_text()
    assert run.files(run.branch)["seen.txt"] == notes


@pytest.mark.parametrize("vandalism", ['"$ref" HEAD "$tip"', '-d "$ref" "$tip"'], ids=["moved", "deleted"])
def test_whoever_tampers_with_branches_of_those_that_have_left_their_slot_harms_nobody(
    project: Project, vandalism: str
) -> None:
    """A session on whose branch no working copy is, and that began earlier, is landing or has landed."""
    listed = (
        'git for-each-ref --format="%(refname) %(objectname) %(worktreepath)" '
        '"refs/heads/pitboss/grind/$PITBOSS_RUN_ID-session-*"'
    )
    script = (
        'echo $PITBOSS_SESSION_SEQ >"file-$PITBOSS_SESSION_SEQ"\n'
        f"{listed} | while read -r ref tip copy; do\n"
        '  nth=$(expr "${ref##*-}" + 0)\n'
        f'  [ -n "$copy" ] || [ $nth -gt $((PITBOSS_SESSION_SEQ - 3)) ] || git update-ref {vandalism} || true\n'
        "done"
    )
    project.prompt("vandal", script, parallel_safe=True, max_runs=24)
    done = project.pitboss("grind", "--max-parallel", "3")
    run = the_run(project)
    assert (done.code, {verdict(record)[:2] for record in run.records}) == (0, {("ok", None)})
    assert sorted(map(int, history(run))) == list(range(1, 25))
    files = project.git("ls-tree", "--name-only", run.branch).split()
    assert {f"file-{seq}" for seq in range(1, 25)} <= set(files)
    assert (remains(run), project.git("for-each-ref", "refs/pitboss")) == ([], "")


@pytest.mark.parametrize("times", [1, 2, 3, 4, 99])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_session_has_its_commit_on_record_even_if_the_users_checkout_cannot_follow(
    project: Project, tmp_path: Path, nth: int, times: int
) -> None:
    """The branch has moved, but a filter of the user's fails in the checkout, so often."""
    failed = tmp_path / "failed"
    fails = f"test $(wc -l <{failed}) -lt {times} && pwd >>{failed} && exit 1"
    failed.touch()
    project.git("config", "filter.moody.smudge", f"read -r it; test $it = {nth} && {fails}; echo $it")
    project.git("config", "filter.moody.clean", "cat")
    project.git("config", "filter.moody.required", "true")
    project.write(".gitattributes", "*.moody filter=moody\n")
    project.commit("A moody filter")
    meet = meeting(tmp_path / "meeting", 2)
    for number, turn in ((1, "true"), (2, until_recorded(1))):
        script = f"{meet}\n{turn}\necho {number} >{number}.moody"
        project.prompt(f"p{number}", script, parallel_safe=True, max_runs=1)
    done = project.pitboss("grind", "--max-parallel", "2")
    run = the_run(project)
    assert done.code == 0, done
    assert set(failed.read_text().splitlines()) == {str(project.root)}
    landed = project.git("log", "--reverse", "--format=%H", f"main..{run.branch}").split()
    assert [record["commit"] for record in run.records] == landed
    behind = times == 99
    assert ("the working tree could not follow" in done.err) == behind
    assert (project.git("status", "--porcelain") != "") == behind


def test_each_phase_of_a_session_in_a_slot_is_said_once(project: Project) -> None:
    configure(project, more='[tests]\ncommand = "true"')
    for name in ("a", "b", "c"):
        project.prompt(name, f"echo {name} >{name}.txt", parallel_safe=True, verify=True, max_runs=1)
    assert project.pitboss("grind", "--max-parallel", "2").code == 0
    phases: dict[int, list[str]] = {}
    for event in map(json.loads, project.pitboss("events").out.splitlines()):
        if event["kind"] == "phase":
            phases.setdefault(event["seq"], []).append(event["phase"])
    assert sorted(phases) == [1, 2, 3]
    for said in phases.values():
        assert said[:3] == ["agent", "verify", "land"]
        assert all(one != other for one, other in itertools.pairwise(said))
