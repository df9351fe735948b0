"""The page `/runs/ID/sessions/N`: what one session did, changed and printed, live while it is in flight (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.core.embed import clean
from pitboss.core.settling import in_words
from pitboss.core.words.phases import CUT_SHORT
from pitboss.screens.web.diffs import folded
from pitboss.screens.web.output_tail import OutputTail
from pitboss.screens.web.showing import clock
from pitboss.screens.web.supplies import NoSession
from pitboss.store.paths import RunPaths
from pitboss.store.session_files import Printed
from pitboss.store.session_page import session_page
from pitboss.store.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from markupsafe import Markup

    from pitboss.core.session import SessionRecord
    from pitboss.screens.web.feeds import Render
    from pitboss.screens.web.pages import Parts
    from pitboss.screens.web.supplies import Supplies
    from pitboss.store.session_files import PrintedFile
    from pitboss.store.session_page import SessionPage

VERIFY_BYTES = 16 * 1024
"""How much of the end of the tests' output the page shows."""

BLOCK = "block-"
"""How the ids of the parts begin that are blocks of output."""


class OneSession:
    """The subject of `/runs/ID/sessions/N`."""

    def __init__(self, supplies: Supplies, run_id: str, seq: int) -> None:
        self._supplies = supplies
        self._run_id = run_id
        self._seq = seq

    @property
    def key(self) -> Hashable:
        """The run's id and the session's number."""
        return (self._run_id, self._seq)

    def reader(self) -> Render:
        """Watches the run for this session."""
        return _Reader(self._supplies, self._run_id, self._seq)

    def page(self, version: str, parts: Parts) -> Markup:
        """The page around what the session did."""
        return self._supplies.pages.page(
            "session",
            parts,
            blocks={name: text for name, text in parts.items() if name.startswith(BLOCK) and text},
            version=version,
            root="../../../",
            stream=f"{self._seq}/events",
            crumbs=((self._run_id, f"../../{self._run_id}"), (f"session {self._seq}", None)),
        )


class _Reader:
    """The parts of a session's page."""

    def __init__(self, supplies: Supplies, run_id: str, seq: int) -> None:
        self._watch = supplies.watches.watch(run_id)
        self._supplies = supplies
        self._paths = RunPaths(supplies.repo, run_id)
        self._seq = seq
        self._output: OutputTail | None = None
        self._diff: tuple[str, Markup] | None = None

    def __call__(self) -> Parts:
        """The parts as of now. Raises NoSession, StorageError."""
        page = session_page(self._paths, self._watch.look(), self._seq)
        if page is None:
            raise NoSession(
                f"run {self._paths.run_id} has no session {self._seq}",
                hint="one that is about to start appears when it does",
            )
        render = self._supplies.pages.render
        title = f"session {page.seq} - {page.run_id} - pitboss"
        return {
            "title": title if page.record else f"● {title}",
            "facts": self._facts(page),
            "phases": render("phases", track=page.track),
            "diff": self._changed(page),
            "verify": render("verify", runs=list(_verify_runs(page.files))),
            "files": render("files", seq=page.seq, files=page.files),
            **self._blocks(page),
        }

    def _facts(self, page: SessionPage) -> Markup:
        record, now = page.record, datetime.now(UTC)
        dead = page.flight is not None and page.flight.cut_short
        return self._supplies.pages.render(
            "facts",
            seq=page.seq,
            prompt=record.prompt if record else page.flight.prompt if page.flight else "",
            status=str(record.status) if record else CUT_SHORT if dead else "in flight",
            facts=[fact for fact in page.facts(now, clock) if fact.name not in _ELSEWHERE],
            flight=page.flight,
            record=record,
            summary=_summary(record) if record else "",
        )

    def _changed(self, page: SessionPage) -> Markup | str:
        """The diff, which is asked for once: a session with a record does not change any more."""
        if page.record is None:
            return ""
        if self._diff is None:
            changes = self._supplies.desk().changes(page.record, page.landed_before)
            diff = self._supplies.pages.render(
                "diff",
                run_id=page.run_id,
                seq=page.seq,
                landed=page.record.commit is not None,
                note=changes.note,
                files=list(folded(changes)),
            )
            self._diff = page.run_id, diff
        return self._diff[1]

    def _blocks(self, page: SessionPage) -> Parts:
        """The end of what is printed now, or was printed last by the agent."""
        place = shown(page.files, live=page.record is None)
        if place is None:
            return {}
        file = page.files[place]
        if self._output is None or self._output.path != file.path:
            self._output = OutputTail(file.path, readable(self._supplies, page, file))
        blocks = self._output.look(over=page.record is not None)
        return {
            f"{BLOCK}{place}-{block.start}": self._supplies.pages.render("lines", lines=block.lines)
            for block in blocks
        }


def _summary(record: SessionRecord) -> str:
    """What the agent wrote, unless that only repeats why the session failed."""
    summary = clean(record.summary or "").strip()
    return "" if record.reason and summary == in_words(record.reason) else summary


_ELSEWHERE = ("session", "prompt", "status")
"""Facts that the page shows as its title."""


def shown(files: tuple[PrintedFile, ...], *, live: bool) -> int | None:
    """Which of a session's files its page shows the end of: the one that grows, else the agent's last."""
    kinds = (Printed.AGENT, Printed.VERIFY, Printed.FIXER) if live else (Printed.AGENT,)
    return next((place for place in reversed(range(len(files))) if files[place].by in kinds), None)


def readable(supplies: Supplies, page: SessionPage, file: PrintedFile) -> Callable[[bytes], tuple[str, ...]]:
    """What makes lines for people of a file's bytes; only agents may speak JSON."""
    who = page.record or page.flight
    agent = who.agent if who is not None and file.by in (Printed.AGENT, Printed.FIXER) else None
    return lambda raw: supplies.desk().readable(agent, raw)


def _verify_runs(files: tuple[PrintedFile, ...]) -> list[tuple[str, tuple[str, ...], bool]]:
    """Each run of the tests: its title, the end of its output, and whether there was more."""
    runs = []
    for file in files:
        if file.by is Printed.VERIFY:
            window = Transcript(file.path).last(VERIFY_BYTES)
            runs.append((file.title, window.lines, not window.is_first))
    return runs
