"""`pitboss serve --allow-control` steers a run by forms that work without a script, and shows the answer (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.behaviour.test_serve_pages import words
from tests.support.cli import Project
from tests.support.runs import Gate, Run, grinding, the_run
from tests.support.web import serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.runs import Live
    from tests.support.web import Server


class Scene:
    """A live run whose session waits at a gate, and a page that may steer it."""

    def __init__(self, project: Project, run: Run, live: Live, server: Server) -> None:
        self.project = project
        self.run = run
        self.live = live
        self.server = server
        self.address = f"/runs/{run.run_id}/control"

    def ask(self, **fields: str) -> tuple[int, str]:
        """Send the form; the status and what the page says."""
        answer = self.server.post(self.address, **fields)
        return answer.status, words(answer.text.partition("<main")[2])


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def scene(tmp_path: Path, gate: Gate) -> Iterator[Scene]:
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", gate.script)
    with serving(project, "--allow-control") as server, grinding(project, "--max-iterations", "3") as live:
        gate.wait()
        yield Scene(project, the_run(project), live, server)


def test_each_request_is_asked_first(scene: Scene) -> None:
    page = scene.server.get(f"/runs/{scene.run.run_id}").text
    for action in ("pause", "budget", "queue", "skip", "stop"):
        assert f"{scene.run.run_id}/control?action={action}" in page
        form = scene.server.get(f"{scene.address}?action={action}")
        assert form.status == 200
        assert '<form method="post" action="control">' in form.text


def test_a_run_is_paused_and_unpaused(scene: Scene) -> None:
    events = f"/runs/{scene.run.run_id}/events"
    with scene.server.events(events) as heard:
        status, said = scene.ask(action="pause")
        assert (status, "paused" in said) == (200, True)
        until(heard, "pitboss unpause", "needs")
        assert "action=unpause" in scene.server.get(f"/runs/{scene.run.run_id}").text
        assert scene.ask(action="unpause")[0] == 200
        until(heard, "action=pause", "controls")


def test_budgets_are_changed(scene: Scene) -> None:
    status, said = scene.ask(action="budget", max_iterations="7", max_cost="2.5", until="", max_tokens="none")
    assert status == 200
    assert "7 sessions" in said
    assert "$2.5" in said
    assert scene.run.state["caps"] == {
        "max_iterations": 7,
        "max_cost_usd": 2.5,
        "max_tokens": None,
        "until": None,
    }


def test_a_task_is_queued_and_shown(scene: Scene) -> None:
    events = f"/runs/{scene.run.run_id}/events"
    with scene.server.events(events) as heard:
        status, said = scene.ask(action="queue", text="Look at <b>this</b>.")
        assert (status, "Queued" in said) == (200, True)
        until(heard, "Look at &lt;b&gt;this&lt;/b&gt;.", "coming")
    assert "Look at <b>this</b>." in scene.project.pitboss("queue", "ls").out


def test_a_session_is_skipped_and_the_run_stopped(scene: Scene) -> None:
    status, said = scene.ask(action="skip", seq="1")
    assert (status, "skip" in said) == (200, True)
    status, said = scene.ask(action="stop", now="1")
    assert status == 200
    assert scene.live.ended().code == 2
    status, said = scene.ask(action="pause")
    assert (status, "is not live" in said) == (409, True)
    assert scene.ask(action="queue", text="For the next run.")[0] == 200


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"action": "format-disk"},
        {"action": "skip", "seq": "x"},
        {"action": "skip", "seq": "9" * 40},
        {"action": "budget"},
        {"action": "budget", "max_iterations": "-1"},
        {"action": "budget", "max_cost": "nan"},
        {"action": "budget", "until": "tomorrow-ish"},
        {"action": "queue", "text": "  "},
        {"action": "queue", "text": "Mend\0it."},
        {f"field-{number}": "x" for number in range(40)},
    ],
)
def test_a_form_that_says_nothing_sensible_is_refused(
    steered: Server, at_rest: str, fields: dict[str, str]
) -> None:
    assert steered.post(at_rest, **fields).status == 400


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Fill in at least one budget"),
        ({"max_iterations": "many"}, "Sessions: expected a whole number up to "),
        ({"max_cost": "abc"}, "Cost: expected an amount of US dollars"),
        ({"max_cost": "$"}, "Cost: expected an amount of US dollars"),
        ({"max_tokens": "1.5"}, "Tokens: expected a whole number up to "),
        ({"until": "25:99"}, "Until: expected a time such as "),
    ],
)
def test_a_wrong_budget_is_called_what_the_form_calls_it(
    steered: Server, at_rest: str, fields: dict[str, str], words: str
) -> None:
    page = steered.post(at_rest, action="budget", **fields).text
    assert words in page
    assert "Nothing has changed: go back and correct it." in page


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.create(tmp_path_factory.mktemp("control") / "project")
    project.prompt("alpha", "true")
    project.pitboss("grind", "--max-iterations", "1")
    return project


@pytest.fixture(scope="module")
def at_rest(project: Project) -> str:
    return f"/runs/{the_run(project).run_id}/control"


@pytest.fixture(scope="module")
def steered(project: Project) -> Iterator[Server]:
    with serving(project, "--allow-control") as server:
        yield server


def test_only_our_own_page_may_steer(steered: Server, at_rest: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    ours = {"Cookie": steered.cookie, "Origin": steered.origin}
    body = "action=queue&text=Mischief"
    for headers, status in (
        ({}, 401),
        ({"Origin": steered.origin}, 401),
        ({"Cookie": steered.cookie}, 403),
        (ours | {"Origin": "http://evil.example"}, 403),
        (ours | {"Origin": "null"}, 403),
        (ours | {"Host": f"evil.example:{steered.port}"}, 403),
        (ours | {"Sec-Fetch-Site": "cross-site"}, 403),
        (ours | {"Content-Type": "text/plain"}, 400),
    ):
        assert steered.ask("POST", at_rest, body, **(form | headers)).status == status, headers
    assert steered.post("/runs/none/control", action="pause").status == 404
    assert "Mischief" not in steered.get(at_rest.removesuffix("/control")).text


def test_a_form_may_not_be_huge_or_slow(steered: Server, at_rest: str) -> None:
    assert steered.post(at_rest, action="queue", text="x" * 300_000).status == 413


def test_a_page_that_only_shows_offers_no_control(project: Project, at_rest: str) -> None:
    with serving(project) as server:
        assert "control?action" not in server.get(at_rest.removesuffix("/control")).text
        assert server.get(f"{at_rest}?action=pause").status == 405
        assert server.post(at_rest, action="pause").status == 405
