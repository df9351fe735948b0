"""A real browser for tests of the web page: Debian's chromium, and everything it complained about."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.web import Server

PATIENCE_MS = 60_000
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}

_CONTRAST = (Path(__file__).parent / "contrast.js").read_text()

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped where chromium is not installed, except in CI."""
    if not os.path.exists(CHROMIUM):  # noqa: PTH110 - a program of the system
        in_ci = os.environ.get("CI") or os.environ.get("PITBOSS_CI")
        assert not in_ci, f"{CHROMIUM} is not installed"
        pytest.skip(f"{CHROMIUM} is not installed: `apt-get install chromium`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def pale(page: Page) -> list[str]:
    """The texts of a page whose contrast is below WCAG 2.1 AA, by the colors that the browser has computed."""
    found: list[str] = page.evaluate(_CONTRAST)
    return found


class Visit:
    """One person's browser window, which opens pages of a server, and what its console said."""

    def __init__(self, browser: Browser, server: Server, **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": DESK, **settings})
        self.context.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page = self.tab()
        self.page.goto(server.address)
        self._server = server

    def tab(self) -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        return page

    def open(self, path: str) -> Page:
        """Go to a page."""
        self.page.goto(self._server.origin + path)
        return self.page


@contextlib.contextmanager
def visiting(browser: Browser, server: Server, **settings: Any) -> Iterator[Visit]:
    """Visit a server; the window is closed with the test."""
    visit = Visit(browser, server, **settings)
    try:
        yield visit
    finally:
        visit.context.close()
