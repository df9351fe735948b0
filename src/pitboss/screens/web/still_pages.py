"""Pages that do not change while somebody looks: older sessions, a file of output, what went wrong (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.digits import number_in
from pitboss.screens.web.supplies import NoSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from pitboss.screens.web.supplies import Supplies
    from pitboss.store.session_page import SessionPage
    from pitboss.store.transcript import Transcript, Window

MOST_LISTED = 200
"""How many sessions a page of older ones lists."""


def problem(supplies: Supplies, depth: int, heading: str, text: str, hint: str | None) -> Markup:
    """What is wrong with a request; `depth` is how many folders its address is below `/`."""
    return _still(
        supplies, "problem", heading, root="../" * depth, crumbs=(), heading=heading, message=text, hint=hint
    )


def older_sessions(supplies: Supplies, run_id: str, before: int | None) -> Markup:
    """Sessions that ended, the latest first, below session `before`. Raises RunNotFound, AmbiguousRun."""
    seen = supplies.watches.watch(run_id).look()
    older = [each for each in reversed(seen.records) if before is None or each.seq < before]
    return _still(
        supplies,
        "older",
        f"sessions of {seen.run_id}",
        root="../../",
        crumbs=((seen.run_id, f"../{seen.run_id}"), ("sessions", None)),
        link="sessions",
        still=True,
        records=older[:MOST_LISTED],
        total=len(seen.records),
        more=len(older) > MOST_LISTED,
        tracks=seen.tracks,
    )


def output(supplies: Supplies, run_id: str, seq: int, place: int, query: Mapping[str, str]) -> Markup:
    """A window of a file of a session's output.

    `query` may say at which byte it begins (`at`), or what to `find` after which byte (`after`). Raises NoSession,
    RunNotFound, AmbiguousRun, StorageError.
    """
    from pitboss.screens.web.one_session import readable
    from pitboss.store.transcript import Transcript as File

    page = _session(supplies, run_id, seq)
    if not place < len(page.files):
        raise NoSession(f"session {seq} has no such file of output")
    file = page.files[place]
    transcript = File(file.path)
    window, missing = _window(transcript, query)
    lines = readable(supplies, page, file)(window.raw)
    return _still(
        supplies,
        "output",
        f"{file.title} of session {seq}",
        root="../" * 5,
        crumbs=(
            (page.run_id, f"../../../../{page.run_id}"),
            (f"session {seq}", f"../../{seq}"),
            ("output", None),
        ),
        heading=f"Output: {file.title}",
        window=window,
        before=transcript.before(window).start,
        find=query.get("find", ""),
        missing=missing,
        text=supplies.pages.render("lines", lines=lines),
    )


def _session(supplies: Supplies, run_id: str, seq: int) -> SessionPage:
    from pitboss.store.paths import RunPaths
    from pitboss.store.session_page import session_page

    seen = supplies.watches.watch(run_id).look()
    page = session_page(RunPaths(supplies.repo, seen.run_id), seen, seq)
    if page is None:
        raise NoSession(f"run {seen.run_id} has no session {seq}")
    return page


def _window(transcript: Transcript, query: Mapping[str, str]) -> tuple[Window, bool]:
    """The window that was asked for, and whether what was to be found is missing."""
    at, wanted = _number(query.get("at")), query.get("find", "")
    if wanted:
        after = _number(query.get("after")) or 0
        found = transcript.find(wanted, after + 1 if after else 0)
        return (transcript.at(after), True) if found is None else (transcript.at(found), False)
    return (transcript.last() if at is None else transcript.at(at)), False


def _number(text: str | None) -> int | None:
    """A byte's place; what is not a number, or too large for any file, says nothing."""
    return number_in(text or "")


def _still(supplies: Supplies, template: str, title: str, **values: object) -> Markup:
    parts = {"title": f"{title} - pitboss"}
    return supplies.pages.page(template, parts, stream="", version="", **values)
