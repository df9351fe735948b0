"""The web page in a real browser: live, by keyboard, on a phone, and no text of an agent acts (SPEC 10)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import DESK, PHONE, chromium, pale, visiting
from tests.support.cli import Project
from tests.support.hostile_run import hostile_run
from tests.support.runs import Gate, configure, grinding, the_run
from tests.support.web import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.support.runs import Run
    from tests.support.web import Server

NARROW = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create(tmp_path_factory.mktemp("browser") / "project")


@pytest.fixture(scope="module")
def run(project: Project) -> Run:
    """A run whose every text is an attack."""
    return hostile_run(project)


@pytest.fixture(scope="module")
def server(project: Project, run: Run) -> Iterator[Server]:
    with serving(project, "--allow-control") as server:
        yield server


def pages(run: Run) -> list[str]:
    one = f"/runs/{run.run_id}"
    control = [f"{one}/control?action={action}" for action in ("pause", "stop", "skip", "queue", "budget")]
    sessions = [f"{one}/sessions", f"{one}/sessions/1", f"{one}/sessions/2", f"{one}/sessions/1/output/0"]
    return ["/", one, *sessions, *control, "/nothing"]


def expect(page: Page, selector: str, text: str) -> None:
    """Wait until an element says something."""
    page.locator(selector).filter(has_text=text).first.wait_for(state="attached")


def test_no_text_of_an_agent_acts_on_any_page(browser: Browser, server: Server, run: Run) -> None:
    with visiting(browser, server) as visit:
        for path in pages(run):
            page = visit.open(path)
            page.wait_for_load_state("load")
            assert page.title() != "owned", path
            assert page.evaluate("document.querySelectorAll('main script, main img, main b').length") == 0, (
                path
            )
        complaints = [said for said in visit.complaints if "404" not in said]
    assert complaints == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", [PHONE, NARROW, DESK], ids=lambda size: str(size["width"]))
def test_every_page_fits_its_window(
    browser: Browser, server: Server, run: Run, size: dict[str, int], scheme: str
) -> None:
    with visiting(browser, server, viewport=size, color_scheme=scheme) as visit:
        for path in pages(run):
            page = visit.open(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            assert page.screenshot(full_page=True), path


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_stands_out_from_what_is_behind_it(
    browser: Browser, server: Server, run: Run, scheme: str
) -> None:
    with visiting(browser, server, color_scheme=scheme) as visit:
        for path in pages(run):
            page = visit.open(path)
            assert pale(page) == [], path
        page.evaluate("document.querySelector('main').style.opacity = 0.4")
        assert pale(page) != []


def test_a_live_run_updates_without_a_reload_and_whoever_comes_late_sees_the_same(
    browser: Browser, tmp_path: Path
) -> None:
    project = Project.create(tmp_path / "project")
    first, second = Gate(tmp_path / "first"), Gate(tmp_path / "second")
    project.prompt("alpha", f'echo reading; {first.script}; echo "Did alpha." > "$PITBOSS_SUMMARY_FILE"')
    project.prompt("bravo", f"echo one; {second.script}; echo two; echo x > x.txt")
    with serving(project) as server, visiting(browser, server) as visit:
        page = visit.page
        expect(page, "#runs", "No run yet")
        page.evaluate("window.loaded = 'once'")
        with grinding(project, "--max-iterations", "2") as live:
            first.wait()
            expect(page, "#runs", "Live")
            page.locator("#runs a.name").click()
            expect(page, "#flights", "alpha")
            page.evaluate("window.loaded = 'once'")
            first.open()
            expect(page, "#sessions", "Did alpha.")
            expect(page, "#flights", "bravo")
            page.locator("#flights a").click()
            expect(page, "#output", "one")
            expect(page, "#facts", "for ")
            page.evaluate("window.loaded = 'once'")
            second.wait()
            late = visit.tab()
            late.goto(page.url)
            second.open()
            for each in (page, late):
                expect(each, "#output", "two")
                expect(each, "#diff", "+x")
            assert page.evaluate("window.loaded") == "once"
            assert live.ended().code == 3
        assert visit.complaints == []


def test_a_page_goes_on_after_the_server_was_started_again(browser: Browser, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f'{gate.script}; echo "Did alpha." > "$PITBOSS_SUMMARY_FILE"')
    with grinding(project, "--max-iterations", "1") as live:
        gate.wait()
        with serving(project) as server, visiting(browser, server) as visit:
            page = visit.open(f"/runs/{the_run(project).run_id}")
            expect(page, "#flights", "alpha")
            page.evaluate("window.loaded = 'once'")
            server.process.terminate()
            server.process.wait(60)
            expect(page, "#connection", "Not connected")
            with serving(project, "--port", str(server.port)) as again:
                visit.tab().goto(again.address)
                gate.open()
                live.ended()
                expect(page, "#sessions", "Did alpha.")
                page.locator("#connection:empty").wait_for(state="attached")
                assert page.evaluate("window.loaded") == "once"


def test_a_page_says_when_what_it_shows_was_removed_and_when_it_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", "echo x > x.txt")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    run, backup = the_run(project), project.root / ".git/pitboss/backup"
    away = [(run.folder, tmp_path / "run"), (backup, tmp_path / "backup")]
    with serving(project) as server, visiting(browser, server) as visit:
        page = visit.open(f"/runs/{run.run_id}/sessions/1")
        expect(page, "#diff", "+x")
        assert page.locator("#output").is_hidden()  # nothing was printed
        for here, there in away:
            here.rename(there)
        expect(page, "#connection", "no longer there")
        assert "+x" in page.locator("#diff").inner_text()
        for here, there in away:
            there.rename(here)
        page.locator("#connection:empty").wait_for(state="attached")


def test_the_token_leaves_the_address_and_a_deep_link_needs_no_token(
    browser: Browser, server: Server, run: Run
) -> None:
    with visiting(browser, server) as visit:
        assert "token" not in visit.page.url
        deep = f"{server.origin}/runs/{run.run_id}/sessions/1"
        page = visit.tab()
        page.goto(f"{deep}?token={server.token}")
        assert page.url == deep
        page.goto(deep)
        expect(page, "#facts", "ok")
    stranger = browser.new_context()
    page = stranger.new_page()
    answer = page.goto(deep)
    assert answer is not None
    assert answer.status == 401
    stranger.close()


def test_pages_read_without_a_script(browser: Browser, server: Server, run: Run) -> None:
    with visiting(browser, server, java_script_enabled=False) as visit:
        page = visit.open(f"/runs/{run.run_id}/sessions/1")
        for part in ("#facts", "#output", "#diff", "#phases"):
            assert page.locator(part).inner_text().strip(), part
        page = visit.open(f"/runs/{run.run_id}")
        for part in ("#head", "#needs", "#sessions", "#lanes", "#coming"):
            assert page.locator(part).inner_text().strip(), part
        page.get_by_role("link", name="Queue a task").click()
        page.get_by_label("Task").fill("Tidy up.")
        page.get_by_role("button", name="Queue it").click()
        assert "Queued" in page.locator("h1").inner_text()
        page.get_by_role("link", name="Back to the run").click()
        assert "Tidy up." in page.locator("#coming").inner_text()


def test_everything_can_be_reached_by_keyboard_and_the_focus_is_seen(
    browser: Browser, server: Server, run: Run
) -> None:
    with visiting(browser, server) as visit:
        page = visit.open(f"/runs/{run.run_id}")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip-link"
        page.keyboard.press("Enter")
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.getAttribute('href')"))
            width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert page.evaluate("document.activeElement === document.body") or width != "0px"
        assert f"{run.run_id}/sessions/1" in reached
        assert f"{run.run_id}/control?action=queue" in reached
        page.goto(f"{server.origin}/runs/{run.run_id}/sessions/1")
        page.locator("summary").first.focus()
        opened = page.locator("details").first.get_attribute("open") is not None
        page.keyboard.press("Enter")
        assert (page.locator("details").first.get_attribute("open") is not None) is not opened


def test_what_somebody_unfolded_or_reads_stays_as_it_is_when_the_page_changes(
    browser: Browser, tmp_path: Path
) -> None:
    project = Project.create(tmp_path / "project")
    configure(project)
    project.prompt("alpha", "echo a > a.txt; exit 3")
    assert project.pitboss("grind", "--max-iterations", "5").code == 3
    run = the_run(project)
    with serving(project) as server, visiting(browser, server) as visit:
        page = visit.open(f"/runs/{run.run_id}")
        page.locator("#more-needs summary").click()
        link = page.locator("#more-needs a").first
        link.focus()
        state = run.folder / "state.json"
        changed = run.folder / "state.json.new"
        changed.write_text(re.sub(r"(reached: 5 >= )5", r"\g<1>4", state.read_text()))
        changed.replace(state)  # whole at any moment
        expect(page, "#head", "5 of 4 sessions")
        assert page.locator("#more-needs").get_attribute("open") is not None
        assert link.evaluate("element => element === document.activeElement")
