"""What an agent in a sandbox reports of its usage can still be read after a crash (SPEC 7, 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.hosts.exchange import Exchange, SessionFiles

if TYPE_CHECKING:
    from pathlib import Path


def test_taking_the_texts_leaves_the_usage_and_nothing_else(tmp_path: Path) -> None:
    folder, home = tmp_path / ".pitboss/exchange/session-0001", tmp_path / ".pitboss/home"
    home.mkdir(parents=True)
    own = SessionFiles(summary=home / "s.md", notes=home / "n.md", skip=home / "skip")
    own.notes.write_text("given")
    exchange = Exchange(SessionFiles.in_folder(folder), own)
    exchange.give()
    (folder / "summary.md").write_text("done")
    (folder / "scratchpad.md").write_text("given and more")
    (folder / "usage.json").write_text("{}")
    exchange.take()
    assert (own.summary.read_text(), own.notes.read_text()) == ("done", "given and more")
    assert [path.name for path in folder.iterdir()] == ["usage.json"]
    exchange.take()
    (folder / "usage.json").unlink()
    exchange.give()
    assert (folder / "summary.md").read_text() == "done"
    exchange.take()
    assert not folder.exists()
