"""What the web page shows of runs and sessions, in HTML that reads without a script, and as events (SPEC 10)."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project, wait_until
from tests.support.hostile_run import hostile_run
from tests.support.runs import Gate, Run, configure, grinding, instruct, the_run
from tests.support.web import serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.web import Event, Server


def words(html: str) -> str:
    """The text of a page as a person reads it."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


class Markup(HTMLParser):
    """The elements and attributes that a browser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags = set[str]()
        self.attributes = set[str]()
        self.scripts = self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.scripts += tag == "script"
        self.images += tag == "img"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a run of three sessions: one landed, one changed nothing, one failed and was rescued."""
    project = Project.create(tmp_path_factory.mktemp("pages") / "project")
    lands = 'echo reading; echo new > new.txt; echo "Added a file." > "$PITBOSS_SUMMARY_FILE"'
    project.prompt("a-land", lands)
    project.prompt("b-idle", "echo nothing to do")
    project.prompt("c-fail", "echo half > half.txt\nexit 3")
    done = project.pitboss("grind", "--max-iterations", "3")
    assert done.code == 3, done
    return project


@pytest.fixture(scope="module")
def run(project: Project) -> Run:
    return the_run(project)


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    with serving(project) as server:
        yield server


def test_the_list_names_every_run_and_how_it_ended(server: Server, run: Run) -> None:
    page = server.get("/").text
    assert f'<a class="name" href="runs/{run.run_id}">' in page
    assert "stopped" in words(page)
    assert "3 of 3 sessions" in words(page)


def test_a_run_shows_its_state_budgets_sessions_and_needs(server: Server, run: Run) -> None:
    said = words(server.get(f"/runs/{run.run_id}").text)
    assert "Stopped at its limit: 3 of 3 sessions" in said
    assert "Sessions 3 of 3 sessions" in said
    assert "Needs you" in said
    assert f"pitboss rescue show {run.run_id}/session-0003" in said
    assert "1 a-land" in said
    assert "Added a file." in said
    assert "+1 -0" in said
    assert "Timeline" in said
    assert "In flight" not in said


def test_the_beginning_of_an_id_is_enough(server: Server, run: Run) -> None:
    assert server.get(f"/runs/{run.run_id[:-2]}").status == 200


def test_a_session_shows_its_record_diff_output_and_phases(server: Server, run: Run) -> None:
    page = server.get(f"/runs/{run.run_id}/sessions/1").text
    said = words(page)
    assert "1 a-land" in said
    assert "Added a file." in said
    assert "What landed 1 file new.txt +1 -0" in said
    assert '<span class="line-added">+new</span>' in page
    assert "reading" in said
    assert "Agent at work" in said
    assert '<a href="1/output/0">agent</a>' in page


def test_a_session_that_did_not_land_shows_what_is_kept_of_it(server: Server, run: Run) -> None:
    said = words(server.get(f"/runs/{run.run_id}/sessions/3").text)
    assert "Exit code: 3" in said
    assert "What it left 1 file half.txt +1 -0" in said


@pytest.mark.parametrize("path", ["sessions/4", "sessions/0", "sessions/999999999999", "sessions/1/output/9"])
def test_a_session_or_file_that_does_not_exist_says_so(server: Server, run: Run, path: str) -> None:
    answer = server.get(f"/runs/{run.run_id}/{path}")
    assert answer.status == 404
    assert "session" in words(answer.text)


@pytest.mark.parametrize("seq", ["x", "-1", "1.5", "../1", "%2e%2e", "1%00"])
def test_a_session_is_a_number(server: Server, run: Run, seq: str) -> None:
    assert server.get(f"/runs/{run.run_id}/sessions/{seq}").status == 404


def test_output_is_read_by_windows_and_searched(project: Project, server: Server, run: Run) -> None:
    path = run.folder / "transcripts/session-0002.log"
    path.write_bytes(b"".join(b"line %06d\n" % number for number in range(60_000)))
    at = f"/runs/{run.run_id}/sessions/2/output/0"
    last = server.get(at).text
    assert "line 059999" in last
    assert "line 000000" not in last
    assert "line 000000" in server.get(f"{at}?at=0").text
    found = server.get(f"{at}?find=LINE+030000").text
    assert "line 030000" in found
    assert "line 029999" not in found
    assert "It does not occur" in server.get(f"{at}?find=nowhere").text
    for query in ("at=-1", "at=x", f"at={'9' * 400}", "after=9&find=line", f"find={'x' * 2000}"):
        assert server.get(f"{at}?{query}").status == 200
    big = server.get(f"/runs/{run.run_id}/sessions/2").text
    assert "line 059999" in big
    assert len(big) < 300_000


def test_older_sessions_have_a_page(server: Server, run: Run) -> None:
    said = words(server.get(f"/runs/{run.run_id}/sessions?before=3").text)
    assert "2 b-idle" in said
    assert "3 c-fail" not in said
    assert server.get(f"/runs/{run.run_id}/sessions?before=x").status == 200


def test_links_are_relative_so_that_they_work_behind_a_prefix(server: Server, run: Run) -> None:
    for path in ("/", f"/runs/{run.run_id}", f"/runs/{run.run_id}/sessions/1", "/nothing"):
        for link in re.findall(r'(?:href|src|action|data-stream)="([^"]*)"', server.get(path).text):
            assert not link.startswith("/")


def test_all_that_agents_wrote_is_text(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    run = hostile_run(project)
    with serving(project) as server:
        for path in (
            "/",
            f"/runs/{run.run_id}",
            f"/runs/{run.run_id}/sessions",
            f"/runs/{run.run_id}/sessions/1",
            f"/runs/{run.run_id}/sessions/2",
            f"/runs/{run.run_id}/sessions/1/output/0",
            f"/runs/{run.run_id}/sessions/1/output/0?find=%22%3E%3Cscript%3E",
        ):
            page = server.get(path)
            assert page.status == 200, path
            markup = Markup()
            markup.feed(page.text)
            assert not markup.tags & {"b", "style", "iframe", "textarea"}, path
            assert (markup.scripts, markup.images) == (1, 1), path
            assert not {name for name in markup.attributes if name.startswith("on")}, path
            assert not re.search(
                "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", page.text
            ), path


def version(event: Event) -> int:
    """How often the page had changed."""
    return int(event.id.rpartition("-")[2])


def test_a_live_run_is_followed_from_wherever_a_client_was(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    first, second = Gate(tmp_path / "first"), Gate(tmp_path / "second")
    project.prompt("alpha", f'echo one; {first.script}; echo "Did alpha." > "$PITBOSS_SUMMARY_FILE"')
    project.prompt("bravo", f"echo two; {second.script}; echo more; echo x > x.txt")
    with serving(project) as server, grinding(project, "--max-iterations", "2") as live:
        first.wait()
        run = the_run(project)
        events = f"/runs/{run.run_id}/events"
        with server.events(events) as heard:
            seen = until(heard, "alpha", "flights")
            assert seen.data["title"].startswith("● ")
            first.open()
            landed = until(heard, "Did alpha.", "sessions")
        second.wait()
        with server.events(events, Last_Event_ID=landed.id) as heard:
            later = until(heard, "bravo")
            assert "lanes" not in later.data or "session 1, alpha" in later.data["lanes"]
            assert "title" not in later.data or "alpha" not in later.data["title"]
        with server.events(f"{events}?after={landed.id}") as heard:
            assert version(next(heard)) >= version(later)
        with server.events(f"/runs/{run.run_id}/sessions/2/events") as heard:
            until(heard, "two")
            second.open()
            until(heard, "+x", "diff")
        assert "more" in server.get(f"/runs/{run.run_id}/sessions/2").text
        assert live.ended().code == 3
        with server.events(events, Last_Event_ID="of-another-server-7") as heard:
            until(heard, "Stopped at its limit", "head")


def test_each_session_that_needs_a_person_is_named_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    first, second = Gate(tmp_path / "first"), Gate(tmp_path / "second")
    project.prompt("alpha", "echo a > a.txt; exit 3", max_runs=1)
    project.prompt("bravo", f"echo b > b.txt; {first.script}; exit 3", max_runs=1)
    project.prompt("charlie", second.script, max_runs=1)
    with serving(project) as server, grinding(project) as live:
        first.wait()
        page = f"/runs/{the_run(project).run_id}"
        assert "Session 1 (alpha): its work did not land" in words(server.get(page).text)
        first.open()
        second.wait()
        wait_until(lambda: "In flight 1 3 charlie" in words(server.get(page).text))
        assert "Session 2 (bravo): its work did not land" in words(server.get(page).text)
        second.open()
        live.ended()


def test_a_resumed_stream_sends_only_what_changed(server: Server, run: Run) -> None:
    events = f"/runs/{run.run_id}/events"
    with server.events(events) as heard:
        everything = next(heard)
        assert {"title", "head", "needs", "flights", "sessions", "lanes"} <= everything.data.keys()
    page = server.get(f"/runs/{run.run_id}").text
    assert f'data-version="{everything.id}"' in page
    state = run.folder / "state.json"
    changed = state.read_text().replace("max-iterations reached: 3 >= 3", "max-iterations reached: 3 >= 2")
    with server.events(events, Last_Event_ID=everything.id) as heard:
        state.write_text(changed)
        update = next(heard)
    assert "3 of 2 sessions" in update.data["head"]
    assert update.data.keys() <= {"title", "head"}


def test_a_client_that_reads_nothing_costs_the_others_nothing(project: Project, run: Run) -> None:
    with serving(project) as server:
        deaf = [server.connected() for _ in range(20)]
        for sock in deaf:
            head = f"GET /runs/{run.run_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            sock.sendall(f"{head}Cookie: {server.cookie}\r\n\r\n".encode())
        with server.events(f"/runs/{run.run_id}/events") as heard:
            assert next(heard).data["head"]
        for sock in deaf:
            sock.close()
        server.process.terminate()
        assert server.process.wait(30) == 0


def test_many_first_requests_at_once_are_all_answered(project: Project, run: Run) -> None:
    paths = ["/", f"/runs/{run.run_id}", f"/runs/{run.run_id}/sessions/1", f"/runs/{run.run_id}/sessions"] * 8
    with serving(project) as server, ThreadPoolExecutor(len(paths)) as people:
        assert {answer.status for answer in people.map(server.get, paths)} == {200}


def test_runs_that_begin_and_end_appear_in_the_list_by_themselves(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", gate.script)
    with serving(project) as server, server.events("/events") as heard:
        until(heard, "No run yet", "runs")
        with grinding(project, "--max-iterations", "1") as live:
            gate.wait()
            until(heard, "live", "runs")
            gate.open()
            live.ended()
            until(heard, "stopped", "runs")


def test_a_run_without_its_directory_is_shown_from_its_backup(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", "echo x > x.txt")
    project.pitboss("grind", "--max-iterations", "1")
    run = the_run(project)
    shutil.rmtree(run.folder)
    with serving(project) as server:
        wait_until(lambda: server.get(f"/runs/{run.run_id}").status == 200)
        assert "its directory is gone" in words(server.get(f"/runs/{run.run_id}").text)


@pytest.mark.parametrize("seq", [1, 2])
@pytest.mark.parametrize("what", ["run", "record"])
def test_the_stream_of_a_session_that_is_gone_ends_in_order(tmp_path: Path, what: str, seq: int) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", "echo x > x$PITBOSS_SESSION_SEQ.txt")
    project.pitboss("grind", "--max-iterations", "2")
    run = the_run(project)
    with serving(project) as server:
        with server.events(f"/runs/{run.run_id}/sessions/{seq}/events") as heard:
            next(heard)
            if what == "run":
                shutil.rmtree(project.root / ".git/pitboss/backup")
                shutil.rmtree(run.folder)
            else:
                (run.folder / "sessions.jsonl").write_text("")
            list(heard)
        assert server.get(f"/runs/{run.run_id}/sessions/{seq}").status == 404
        server.process.terminate()
        assert server.process.stderr is not None
        assert "internal error" not in server.process.stderr.read().decode()


def test_what_comes_next_tells_a_prompt_that_has_had_its_runs_from_one_that_sits_out(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    configure(project)
    instruct(project, "often", "Say so.\n```sh\necho often > often.txt\n```", max_runs=5)
    instruct(project, "once", "Say so.\n```sh\necho once > once.txt\n```", max_runs=1)
    instruct(project, "rare", "Say so.\n```sh\necho rare > rare.txt\n```", every=5, max_runs=5)
    project.pitboss("grind", "--max-iterations", "2")
    with serving(project) as server:
        said = words(server.get(f"/runs/{the_run(project).run_id}").text)
    assert "done once has had all its runs 1 of 1 run" in said
    assert "then rare not in this rotation 0 of 5 runs" in said
    assert "then often score +0 1 of 5 runs" in said


def test_tests_that_failed_show_what_they_said(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    configure(project, more='[tests]\ncommand = "echo 3 of 14 failed; exit 1"\nmax_fix_retries = 0\n')
    project.prompt("alpha", "echo x > x.txt", verify=True)
    project.pitboss("grind", "--max-iterations", "1")
    run = the_run(project)
    with serving(project) as server:
        said = words(server.get(f"/runs/{run.run_id}/sessions/1").text)
        assert "Tests tests 3 of 14 failed" in said
        assert "Running the tests" in said
        assert f"pitboss show {run.run_id} 1 --verify" in words(server.get(f"/runs/{run.run_id}").text)


def test_twenty_clients_of_sixteen_sessions_are_served_from_little_memory(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    gate = Gate(tmp_path / "gate")
    for number in range(16):
        project.prompt(f"p{number:02}", f"echo step; {gate.script}", parallel_safe=True)
    options = ("--max-parallel", "16", "--max-iterations", "16")
    with serving(project) as server, grinding(project, *options) as live, contextlib.ExitStack() as clients:
        gate.wait()
        events = f"/runs/{the_run(project).run_id}/events"
        heard = [clients.enter_context(server.events(events)) for _ in range(20)]
        for each in heard:
            until(each, "In flight <small>16</small>", "flights")
        assert server.resident_bytes() < 80_000_000
        gate.open()
        live.ended()
        for each in heard:
            until(each, "Stopped at its limit: 16 of 16 sessions", "head")


def test_viewers_that_are_stopped_or_killed_are_nothing_to_a_run_that_is_killed_and_resumed(
    tmp_path: Path,
) -> None:
    project = Project.create(tmp_path / "project")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"{gate.script}; echo x > x.txt")
    with serving(project) as stopped, serving(project) as killed:
        with grinding(project, "--max-iterations", "2") as live:
            gate.wait()
            run = the_run(project)
            events = f"/runs/{run.run_id}/events"
            with stopped.events(events) as heard, killed.events(events) as others:
                until(heard, "alpha", "flights")
                until(others, "alpha", "flights")
                stopped.process.send_signal(signal.SIGSTOP)
                killed.process.kill()
                live.kill()
                gate.open()
                done = project.pitboss("grind", "--resume")
                assert done.code == 3, done
                stopped.process.send_signal(signal.SIGCONT)
                until(heard, "Stopped at its limit: 2 of 2 sessions", "head")
        statuses = [record["status"] for record in run.records]
        assert statuses == ["aborted", "ok"]
