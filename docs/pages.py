"""`make screens`, for the browser: grinds the same short night, and takes pictures of its web page and its report."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from night import PITBOSS, Night
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

FOLDER = Path(__file__).parent / "screens"
CHROMIUM = "/usr/bin/chromium"
REPORT = "/report.html"
PHONE, DESK = (390, 844), (1280, 860)


class Picture(NamedTuple):
    """A page, how large its window is, and whether the reader's system is dark."""

    path: str
    size: tuple[int, int]
    scheme: str


PICTURES = {
    "web-run": Picture("/runs/{run}", DESK, "light"),
    "web-run-phone": Picture("/runs/{run}", PHONE, "dark"),
    "web-session": Picture("/runs/{run}/sessions/1", DESK, "dark"),
    "report": Picture(REPORT, (1000, 1500), "light"),
}


def main() -> None:
    """Take all of them, or those that are named."""
    wanted = sys.argv[1:] or list(PICTURES)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pitboss-pages-") as folder:
        night = Night(Path(folder))
        with night.grinding(), served(night) as address, sync_playwright() as playwright:
            night.wait()
            night.pitboss("queue", "add", "Write a README that says how to install calc.")
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            night.pitboss("report", "-o", str(night.root.parent / "report.html"))
            for name in wanted:
                take(browser, night, address, name)
            browser.close()


@contextlib.contextmanager
def served(night: Night) -> Iterator[str]:
    """The web page of the night, and its address."""
    argv = [*PITBOSS, "serve", "--allow-control"]
    with subprocess.Popen(argv, cwd=night.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process.stdout.readline().decode().strip() if process.stdout else ""
        process.terminate()


def take(browser: Browser, night: Night, address: str, name: str) -> None:
    """Take one picture."""
    picture = PICTURES[name]
    width, height = picture.size
    window = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.scheme == "dark" else "light",
    )
    page = window.new_page()
    if picture.path == REPORT:
        page.goto((night.root.parent / "report.html").as_uri())
    else:
        page.goto(address)
        page.goto(address.partition("/?")[0] + picture.path.format(run=night.run_id))
    page.wait_for_timeout(1500)
    page.screenshot(path=FOLDER / f"{name}.png")
    window.close()


if __name__ == "__main__":
    main()
