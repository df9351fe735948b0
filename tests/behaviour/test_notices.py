"""People who are away hear of a run, and no service that hangs, refuses or floods touches it (SPEC 12)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pitboss import proctree
from tests.support.cli import COMMAND, PATIENCE_S, Project, finish, wait_until
from tests.support.extras import hide
from tests.support.notices import Service, endless, hanging, mail_server, refusing, service
from tests.support.runs import Gate, configure, grinding, the_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "hunter2-topic-of-the-night"


@pytest.fixture
def got() -> Iterator[Service]:
    with service() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, got: Service) -> Project:
    """Its environment has the address of `got` in HOOK, a secret path included, and in BEAT that of a heartbeat."""
    project = Project.create(tmp_path / "repo")
    project.env |= {
        "HOOK": f"json://127.0.0.1:{got.port}/{SECRET}",
        "BEAT": f"http://127.0.0.1:{got.port}/{SECRET}/beat",
    }
    project.prompt("chore", "echo $PITBOSS_SESSION_SEQ >work.txt")
    return project


def notify(project: Project, *urls: str, more: str = "", grind: str = "") -> None:
    configure(project, grind=grind, more=f"[notify]\nurls = {json.dumps(urls)}\n{more}")


def texts(got: Service) -> list[str]:
    return got.texts(f"/{SECRET}")


def test_the_end_of_a_run_is_told_with_what_comes_next(project: Project, got: Service) -> None:
    notify(project, "${HOOK}")
    done = project.pitboss("grind", "--max-iterations", "2")
    run = the_run(project)
    assert done.code == 3
    assert "warning" not in done.err
    (notice,) = got.at(f"/{SECRET}")
    assert notice.json["title"] == f"repo {run.run_id}"
    told, commits, command = notice.json["message"].splitlines()
    assert told == "the run stopped at its limit: 2 of 2 sessions"
    assert commits == f"2 commits of run {run.run_id} are not on main"
    program, *words = command.split()
    assert program == "pitboss"
    assert project.pitboss(*words).code == 0
    assert project.git("rev-parse", "main") == project.git("rev-parse", run.branch)


def test_every_kind_of_service_gets_it(project: Project, got: Service) -> None:
    with mail_server() as (port, mails):
        mail = f"mailto://127.0.0.1:{port}?from=a@example.com&to=b@example.com"
        notify(
            project,
            "${HOOK}",
            f"ntfy://127.0.0.1:{got.port}/nightly",
            mail,
            more="command = 'cat >$HOME/notice.json'",
        )
        project.pitboss("grind", "--max-iterations", "1")
    (ntfy,) = [each.json for each in got.got if each.path == "/"]
    assert ntfy["topic"] == "nightly"
    assert ntfy["message"] == texts(got)[0]
    (sent,) = mails
    assert f"Subject: repo {the_run(project).run_id}" in sent
    assert "\nthe run stopped at its limit: 1 of 1 session\r\n" in sent
    event = json.loads((project.root.parent / "repo-home/notice.json").read_text())
    assert event["text"] == texts(got)[0]
    assert event["repository"] == str(project.root)
    assert event["events"][0] == {
        "on": "budget",
        "text": "the run stopped at its limit: 1 of 1 session",
        "command": None,
    }


def test_whoever_needs_a_person_says_so_while_the_run_goes_on_and_news_is_merged(
    project: Project, got: Service, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", "echo x >work.txt; exit 1", max_runs=3)
    project.prompt("slow", gate.script, max_runs=1)
    notify(project, "${HOOK}", more="min_interval_s = 3600")
    with grinding(project) as live:
        gate.wait()
        wait_until(lambda: len(texts(got)) == 1)
        gate.open()
        live.ended()
    first, last = texts(got)
    assert "session 1 (chore): its work did not land and is kept" in first
    assert "pitboss rescue show" in first
    assert last.splitlines()[0] == "the run finished: every prompt has had its runs"
    assert last.count("its work did not land and is kept") == 3


def test_what_was_held_back_goes_out_at_the_end(project: Project, got: Service, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", "exit 1", max_runs=5)
    project.prompt("kept", "echo x >work.txt; exit 1", max_runs=1)
    project.prompt("slow", gate.script, max_runs=1)
    notify(project, "${HOOK}", more="min_interval_s = 3600")
    with grinding(project, "--max-iterations", "7") as live:
        gate.wait()
        wait_until(lambda: len(texts(got)) == 1)
        gate.open()
        live.ended()
    assert len(texts(got)) == 2
    assert "max-iterations at 80%: 6 of 7" in "\n".join(texts(got))


@pytest.mark.parametrize("wanted", ["needs_you", "waiting"])
def test_only_what_was_asked_for_is_told(project: Project, got: Service, wanted: str) -> None:
    notify(project, "${HOOK}", more=f"on = ['{wanted}']")
    project.pitboss("grind", "--max-iterations", "5")
    assert texts(got) == []


def test_hostile_services_cost_sixteen_sessions_nothing(project: Project, got: Service) -> None:
    project.prompt("chore", "echo x >$PITBOSS_SESSION_SEQ.txt; exit 1", parallel_safe=True)
    grind = ("grind", "--max-iterations", "16", "--max-parallel", "8")
    configure(project)
    plain = _until_the_lock_is_free(project, *grind)
    got.redirects["/loop"] = f"http://127.0.0.1:{got.port}/loop"
    with hanging() as port:
        nowhere = f"json://127.0.0.1:{refusing()}"
        loop = f"json://127.0.0.1:{got.port}/loop"
        beat = f"http://127.0.0.1:{port}/"
        notify(
            project,
            f"json://127.0.0.1:{port}",
            nowhere,
            loop,
            "no-such-service://x",
            more=f"command = 'yes; sleep 60'\nmin_interval_s = 0.1\nheartbeat_url = '{beat}'\nheartbeat_s = 0.1",
        )
        noisy = _until_the_lock_is_free(project, *grind)
    assert noisy < plain * 1.5 + 3


def _until_the_lock_is_free(project: Project, *args: str) -> float:
    """Seconds until a run is over, and all of it is checked: 16 records, and no more than 13 s until it exits."""
    known = {path.parent for path in _ends(project)}
    began = time.monotonic()
    with subprocess.Popen(
        [*COMMAND, *args],
        cwd=project.root,
        env=project.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(
            lambda: any(path.parent not in known and not path.stat().st_size for path in _ends(project))
        )
        took = time.monotonic() - began
        assert process.wait(PATIENCE_S) == 3
    (folder,) = {path.parent for path in _ends(project)} - known
    assert len((folder / "sessions.jsonl").read_text().splitlines()) == 16
    return took


def _ends(project: Project) -> list[Path]:
    return list((project.root / ".pitboss/grind/runs").glob("*/ended"))


def test_a_service_that_fails_is_tried_three_times_and_warned_of_once(
    project: Project, got: Service, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", "echo x >work.txt; exit 1", max_runs=1)
    project.prompt("slow", gate.script, max_runs=1)
    got.answers[f"/{SECRET}"] = [500, 503, 502]
    notify(project, "${HOOK}", more="min_interval_s = 3600")
    with grinding(project) as live:
        gate.wait()
        live.wait_for("a notice did not get through")
        tried = len(texts(got))
        gate.open()
        done = live.ended()
    assert tried == 3
    assert done.err.count("did not get through") == 1
    assert "warning: a notice did not get through to [notify] urls, no. 1: it answered 502\n" in done.err
    assert "its work did not land" in texts(got)[-1], "what failed is told later"


def test_secrets_of_addresses_are_nowhere(project: Project, got: Service) -> None:
    project.prompt("chore", "env; echo $HOOK; echo $HOOK >work.txt; echo $HOOK >&2; exit 1", max_runs=2)
    project.env["AWAY"] = f"json://user:{SECRET}@127.0.0.1:{refusing()}/{SECRET}"
    project.env["ODD"] = f"nonsense-{SECRET}"
    got.answers[f"/{SECRET}"] = [500] * 3
    notify(
        project,
        "${HOOK}",
        "${AWAY}",
        "${ODD}",
        more="heartbeat_url = '${BEAT}/${ODD}'\ncommand = 'env; exit 3'",
    )
    said = [
        project.pitboss("grind", "--json"),
        project.pitboss("-v", "notify", "test"),
        project.pitboss("doctor"),
    ]
    said.append(project.pitboss("grind", "--detach", "--max-iterations", "1"))
    wait_until(lambda: "no run is live" in project.pitboss("doctor").out)
    said += [project.pitboss(*words.split()) for words in ("status", "events", "log", "runs", "show 1")]
    assert said[1].code == 1
    for done in said:
        assert SECRET not in done.out + done.err, done
    for path in (project.root / ".pitboss").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_heartbeat_goes_on_through_a_pause_and_its_end_is_told(
    project: Project, got: Service, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", gate.script, max_runs=1)
    notify(project, more="heartbeat_url = '${BEAT}'\nheartbeat_s = 0.2\nheartbeat_end_url = '${BEAT}/end'")
    beats = f"/{SECRET}/beat"
    with grinding(project) as live:
        gate.wait()
        wait_until(lambda: len(got.at(beats)) >= 2)
        assert project.pitboss("pause").code == 0
        so_far = len(got.at(beats))
        wait_until(lambda: len(got.at(beats)) >= so_far + 3)
        assert got.at(f"{beats}/end") == []
        assert project.pitboss("unpause").code == 0
        gate.open()
        live.ended()
    assert len(got.at(f"{beats}/end")) == 1
    assert got.got[-1].path == f"{beats}/end"


def test_a_killed_runner_is_told_of_by_its_guardian_and_its_heartbeat_falls_silent(
    project: Project, got: Service, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", gate.script)
    beats = "heartbeat_url = '${BEAT}'\nheartbeat_s = 0.2\nheartbeat_end_url = '${BEAT}/end'"
    notify(project, "${HOOK}", more=beats)
    with grinding(project) as live:
        gate.wait()
        wait_until(lambda: len(got.at(f"/{SECRET}/beat")) >= 2)
        os.kill(live.runner(), signal.SIGKILL)
        live.ended()
    (told,) = texts(got)
    run = the_run(project).run_id
    assert told.splitlines()[:2] == [
        "the run crashed",
        f"run {run} crashed: 1 session in flight left work to settle",
    ]
    assert got.at(f"/{SECRET}/beat/end") == []


def test_a_run_killed_with_its_guardian_says_nothing_more(
    project: Project, got: Service, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("chore", gate.script)
    notify(project, "${HOOK}", more="heartbeat_url = '${BEAT}'\nheartbeat_s = 0.2")
    with grinding(project) as live:
        gate.wait()
        wait_until(lambda: len(got.at(f"/{SECRET}/beat")) >= 2)
        live.kill()
    wait_until(lambda: project.pitboss("doctor").out.count("no run is live") == 1)
    assert texts(got) == []


def test_a_run_that_is_refused_tells_nobody_and_a_resumed_one_does(project: Project, got: Service) -> None:
    notify(project, "${HOOK}", more="heartbeat_url = '${BEAT}'\nheartbeat_end_url = '${BEAT}/end'")
    project.write("dirt.txt", "unsaved")
    assert project.pitboss("grind", "--max-iterations", "1").code not in (0, 3)
    assert got.got == []
    (project.root / "dirt.txt").unlink()
    project.pitboss("grind", "--max-iterations", "1")
    assert len(texts(got)) == 1
    project.write("dirt.txt", "unsaved")
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code not in (0, 3)
    assert len(texts(got)) == 1
    (project.root / "dirt.txt").unlink()
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
    assert [text.splitlines()[0] for text in texts(got)][1:] == [
        "the run stopped at its limit: 2 of 2 sessions"
    ]


def test_a_detached_run_tells_its_end(project: Project, got: Service) -> None:
    notify(project, "${HOOK}")
    assert project.pitboss("grind", "--detach", "--max-iterations", "1").code == 0
    wait_until(lambda: len(texts(got)) == 1)
    assert texts(got)[0].startswith("the run stopped at its limit: 1 of 1 session\n")


def test_what_is_missing_is_said_at_the_start_and_by_doctor_and_the_run_starts(project: Project) -> None:
    project.write("apprise.py", "raise ImportError('not from here')\n")
    project.commit("A module that must not be loaded")
    notify(project, "ntfy://${NO_SUCH}/x", more="heartbeat_url = '${NOR_THIS}'")
    done = project.pitboss("grind", "--max-iterations", "1")
    assert done.code == 3
    words = "is not used: the environment has no"
    for text in (f"[notify] urls, no. 1 {words} NO_SUCH", f"[notify] heartbeat_url {words} NOR_THIS"):
        assert f"warning: {text}\n" in done.err
        assert f"warning  notify      {text}" in project.pitboss("doctor").out


def test_without_the_extra_the_run_starts_and_says_so(project: Project, got: Service, tmp_path: Path) -> None:
    hide(project, tmp_path / "hidden", "apprise")
    notify(project, "${HOOK}", more="heartbeat_end_url = '${BEAT}'")
    done = project.pitboss("grind", "--max-iterations", "1")
    said = (
        "notices go to no address of [notify] urls, as the extra `notify` is not installed: "
        "`pip install 'pitboss[notify]'`"
    )
    assert done.code == 3
    assert f"warning: {said}\n" in done.err
    assert [each.path for each in got.got] == [f"/{SECRET}/beat"]
    assert f"warning  notify      {said}" in project.pitboss("doctor").out


def test_a_test_notice_goes_to_everybody_and_says_what_arrived(project: Project, got: Service) -> None:
    nowhere = f"json://127.0.0.1:{refusing()}"
    notify(
        project,
        "${HOOK}",
        nowhere,
        "what://is-this",
        "ntfy://${GONE}",
        more="heartbeat_url = '${BEAT}'\nheartbeat_end_url = '${BEAT}/end'\ncommand = 'exit 7'",
    )
    refused = project.pitboss("notify", "test")
    assert refused.code == 1
    assert "error: nothing is sent, because this repository has not been used here before" in refused.err
    assert got.got == []
    assert project.pitboss("doctor", "--trust").code in (0, 1)
    done = project.pitboss("notify", "test")
    assert done.code == 1
    assert done.out.splitlines() == [
        "ok      [notify] urls, no. 1",
        "failed  [notify] urls, no. 2 (json): no answer",
        "failed  [notify] urls, no. 3 (what): apprise does not understand the address",
        "failed  [notify] urls, no. 4 (ntfy): the environment has no GONE",
        "ok      [notify] heartbeat_url",
        "failed  [notify] command: exit code 7",
    ]
    assert len(texts(got)) == 1
    assert got.at(f"/{SECRET}/beat/end") == []
    notify(project, "${HOOK}")
    assert project.pitboss("doctor", "--trust").code in (0, 1)
    assert project.pitboss("notify", "test", "--json").json() == {
        "tried": [{"to": "[notify] urls, no. 1", "failure": None}]
    }


def test_a_test_notice_that_is_ended_leaves_nothing_behind(project: Project, tmp_path: Path) -> None:
    hung = tmp_path / "hung"
    configure(project, more=f"[notify]\ncommand = 'echo $$ >{hung}; exec sleep 1000'")
    assert project.pitboss("doctor", "--trust").code in (0, 1)
    with project.started("notify", "test") as process:
        wait_until(lambda: hung.exists() and hung.read_text().strip())
        process.send_signal(signal.SIGTERM)
        assert finish(process).code == 128 + signal.SIGTERM
    assert proctree.start_time(int(hung.read_text())) is None


def test_a_test_notice_needs_somebody_to_tell(project: Project) -> None:
    done = project.pitboss("notify", "test")
    assert (done.code, done.err.splitlines()) == (
        1,
        [
            "error: no notices are set up: config.toml has no [notify]",
            "hint: add `[notify]` with `urls` or `command` to .pitboss/config.toml",
        ],
    )


def test_with_the_network_gone_the_run_goes_on(project: Project) -> None:
    notify(project, "${HOOK}", "ntfys://ntfy.example/x", more="heartbeat_url = 'https://example.com/${BEAT}'")
    cut_off = ["unshare", "-rn"]
    may = shutil.which("unshare") and subprocess.run([*cut_off, "true"], check=False).returncode == 0
    prefix = cut_off if may else []
    done = subprocess.run(
        [*prefix, *COMMAND, "grind", "--max-iterations", "1"],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 3
    assert len(the_run(project).records) == 1
    assert b"did not get through to [notify] urls, no. 2 (ntfys)" in done.stderr


def test_what_arrived_is_not_said_to_have_failed_because_another_address_hangs(
    project: Project, got: Service, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\nif 'pitboss.screens.notify.delivery' in sys.orig_argv: time.sleep(1)\n"
    )
    project.env["PYTHONPATH"] = str(tmp_path)  # a machine on which programs start slowly
    nowhere = f"json://127.0.0.1:{refusing()}"
    with hanging() as port:
        away = f"json://127.0.0.1:{port}"
        notify(project, "${HOOK}", away, nowhere, more="heartbeat_end_url = '${BEAT}/end'")
        done = project.pitboss("grind", "--max-iterations", "1")
    assert [line for line in done.err.splitlines() if "get through" in line] == [
        "warning: a notice did not get through to [notify] urls, no. 2 (json): timed out after 10 s",
        "warning: a notice did not get through to [notify] urls, no. 3 (json): no answer",
    ]
    assert len(texts(got)) == 1
    assert len(got.at(f"/{SECRET}/beat/end")) == 1


def test_a_service_has_five_seconds_to_answer(project: Project, got: Service) -> None:
    got.delays[f"/{SECRET}"] = 4.6
    notify(project, "${HOOK}")
    done = project.pitboss("grind", "--max-iterations", "1")
    assert "get through" not in done.err
    assert len(texts(got)) == 1


@pytest.mark.parametrize(
    ("address", "begins", "goes_on", "arrives"),
    [
        ("json://127.0.0.1:{}", b"HTTP/1.1 200 OK\r\n\r\n", b"x", True),
        ("json://127.0.0.1:{}", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", b"x", False),
        (
            "mailto://me:pw@127.0.0.1:{}?from=me@example.com&to=you@example.com",
            b"220-hello\r\n",
            b"220-x\r\n",
            False,
        ),
    ],
    ids=["http", "http of a given length", "mail"],
)
def test_an_answer_without_end_does_not_fill_the_memory(
    project: Project, got: Service, address: str, begins: bytes, goes_on: bytes, *, arrives: bool
) -> None:
    with endless(begins, goes_on) as (port, said):
        notify(project, address.format(port), "${HOOK}")
        done = project.pitboss("grind", "--max-iterations", "1")
        wait_until(lambda: said)
    assert ("did not get through to [notify] urls, no. 1" in done.err) is not arrives
    assert "urls, no. 2" not in done.err
    assert len(texts(got)) == 1
    assert max(said) < 16 * 1024 * 1024, "what sockets hold, and no more"
