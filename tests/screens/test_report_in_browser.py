"""The report in a real browser: on a desk, a phone and paper, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pitboss.screens.report.page import html_page
from tests.support.browser import chromium, pale
from tests.support.night_report import night_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

UNNAMED = """[...document.querySelectorAll('a, summary, svg[role], [tabindex]')]
    .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HIDDEN = "[...document.querySelectorAll('article')].filter(e => !e.checkVisibility()).length"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(html_page(night_report(60, hidden=EVIL, model=EVIL)), encoding="utf-8")
    return file.as_uri()


def opened(browser: Browser, address: str, width: int, scheme: str) -> tuple[Page, list[str]]:
    settings: dict[str, Any] = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    page, complaints = browser.new_context(**settings).new_page(), list[str]()
    page.on("console", lambda said: complaints.append(said.text))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(address)
    page.on("request", lambda request: complaints.append(request.url))
    page.reload()
    complaints.remove(address)
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_all_of_it_can_be_read_and_nothing_sticks_out(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    page, complaints = opened(browser, address, width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert pale(page) == []
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(TOO_WIDE) == 0
    assert complaints == []
    page.context.close()


def test_a_link_in_a_chart_leads_to_its_session_even_where_that_is_folded_away(
    browser: Browser, address: str
) -> None:
    page, _ = opened(browser, address, 1280, "light")
    assert page.evaluate(HIDDEN) > 0
    page.locator("figure a[href='#s57']").first.click()
    assert page.locator("#s57").is_visible()
    assert page.evaluate("document.querySelector(':target').id") == "s57"
    page.context.close()


def test_paper_gets_everything_in_dark_ink(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 800, "dark")
    page.emulate_media(media="print")
    assert page.evaluate(HIDDEN) == 0
    assert pale(page) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
    page.context.close()


def test_every_result_has_a_look_of_its_own_without_any_color(browser: Browser, address: str) -> None:
    page, _ = opened(browser, address, 1280, "light")
    looks = page.evaluate(
        "Object.fromEntries(['landed','rescued','failed','nothing','stopped'].map(name => {"
        " const e = document.querySelector('.legend .fill.' + name); return [name, getComputedStyle(e).fill] }))"
    )
    assert len(set(looks.values())) == 5
    patterned = {name for name, fill in looks.items() if fill.startswith("url(")}
    assert patterned == {"rescued", "failed", "stopped"}
    page.context.close()
