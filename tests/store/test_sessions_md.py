"""sessions.md: an entry a record, made again from the log whatever becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.text.sessions import HEADER, sessions_md_entry
from pitboss.store import sessions_md
from tests.support.disk import put
from tests.support.values import record

if TYPE_CHECKING:
    from pitboss.core.session import SessionRecord
    from pitboss.store.rundir import RunDir


def rendered(records: list[SessionRecord]) -> str:
    return HEADER + "".join(map(sessions_md_entry, records))


def test_sessions_md_grows_to_what_a_full_render_gives(run: RunDir) -> None:
    records = [record(1), record(2, summary=None)]
    for line in records:
        sessions_md.append(run.paths, line)
    assert run.paths.markdown.read_text() == rendered(records)
    for line in records:
        run.record(line)
    run.paths.markdown.write_text("spoiled")
    sessions_md.rewrite(run.paths)
    assert run.paths.markdown.read_text() == rendered(records)


def test_a_missing_sessions_md_is_made_again_from_the_log(run: RunDir) -> None:
    run.record(record(1))
    sessions_md.append(run.paths, record(1))
    run.paths.markdown.unlink()
    run.record(record(2))
    sessions_md.append(run.paths, record(2))
    assert run.paths.markdown.read_text() == rendered([record(1), record(2)])


def test_a_summary_that_is_not_unicode_is_projected_all_the_same(run: RunDir) -> None:
    sessions_md.append(run.paths, record(1, summary="caf\udce9"))
    assert "caf" in run.paths.markdown.read_text()


def test_a_pipe_in_place_of_sessions_md_is_set_aside_and_not_waited_for(run: RunDir) -> None:
    run.paths.markdown.unlink()
    put(run.paths.markdown, "pipe")
    run.record(record(1))
    sessions_md.append(run.paths, record(1))
    assert run.paths.markdown.read_text() == rendered([record(1)])
