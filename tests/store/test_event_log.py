"""events.jsonl: each line as it is documented, and nothing that happens to the file is the run's trouble."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.core.events import (
    Phase,
    PhaseChanged,
    PromptFacts,
    Repaired,
    RunEvent,
    RunStarted,
    SessionEnded,
    Step,
    StepKind,
    Warned,
)
from pitboss.core.redact import Secrets
from pitboss.core.view import View, fold
from pitboss.store import event_log, follow
from pitboss.store.event_log import EventLog, decode_event, encode_event
from pitboss.store.follow import EventFollower, last_events
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from tests.support.disk import largest_file
from tests.support.values import record

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, 23, 0, 7, 123456, tzinfo=UTC)
STARTED = RunStarted(t=NOW, run_id="rid", branch="b")
KEY = "super-secret-value"


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    paths = RunPaths(tmp_path, "rid")
    paths.root.mkdir(parents=True)
    return paths


@pytest.fixture
def log(paths: RunPaths) -> EventLog:
    return EventLog(paths, Secrets.of({"MY_API_KEY": KEY}))


def written(paths: RunPaths) -> list[dict[str, object]]:
    return [json.loads(line) for line in paths.events.read_bytes().splitlines()]


def test_a_line_says_when_what_and_everything_about_it() -> None:
    line = encode_event(PhaseChanged(t=NOW, seq=2, phase=Phase.FIX, detail="attempt 1", attempt=1))
    assert line == (
        b'{"t":"2026-05-01T23:00:07.123Z","kind":"phase","seq":2,"phase":"fix","detail":"attempt 1",'
        b'"until":null,"attempt":1}\n'
    )


@pytest.mark.parametrize(
    "event",
    [
        Warned(t=NOW, text="a branch called caf\udce9"),
        RunStarted(t=NOW, run_id="rid", branch="caf\udce9"),
        RunStarted(t=NOW, run_id="rid", branch="b", prompts=(PromptFacts(name="caf\udce9"),)),
    ],
)
def test_what_is_not_unicode_is_marked(event: RunEvent) -> None:
    line = encode_event(event)
    assert b"caf?" in line
    assert decode_event(line) is not None


def test_the_record_of_a_session_is_the_logs() -> None:
    ended = SessionEnded(t=NOW, record=record(3), next_pick="bravo")
    line = encode_event(ended)
    assert encode_record(ended.record).rstrip(b"\n") in line
    read = decode_event(line)
    assert isinstance(read, SessionEnded)
    assert (read.record, read.seq, read.next_pick) == (ended.record, 3, "bravo")


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'{"kind":"of a newer version"}', b"\xff", b'{"kind":"step"}']
)
def test_what_is_no_event_is_none(line: bytes) -> None:
    assert decode_event(line) is None


def test_the_start_comes_first_then_what_was_told_before_it(paths: RunPaths, log: EventLog) -> None:
    for event in (Warned(text="odd"), Repaired(text="mended"), STARTED, Warned(text="later")):
        log(event)
    assert [line["kind"] for line in written(paths)] == ["run_started", "warned", "repaired", "warned"]


def test_of_a_run_that_is_only_repaired_no_start_is_waited_for(paths: RunPaths) -> None:
    log = EventLog(paths, Secrets(), started=True)
    assert log.waits_as(STARTED) == STARTED
    log.hurry()
    log(Repaired(text="mended"))
    assert [line["kind"] for line in written(paths)] == ["repaired"]


def test_secrets_and_control_bytes_are_not_in_it(paths: RunPaths, log: EventLog) -> None:
    log(STARTED)
    log(Step(seq=1, what=StepKind.TEXT, text=f"key {KEY} \x1b]52;c;x\x07 \x9b2J"))
    raw = paths.events.read_bytes()
    assert KEY.encode() not in raw
    assert not [byte for byte in raw if byte < 32 and byte != 10]
    assert "\x9b".encode() not in raw


def test_folding_the_file_is_folding_the_events(paths: RunPaths, log: EventLog) -> None:
    events: list[RunEvent] = [STARTED, Step(t=NOW, seq=1, text="make"), SessionEnded(t=NOW, record=record(1))]
    live = View()
    for event in events:
        log(event)
        live = fold(live, decode_event(encode_event(event)) or event)
    late = View()
    for line in EventFollower(paths).new_lines():
        read = decode_event(line)
        assert read is not None
        late = fold(late, read)
    assert late == live
    assert late.recent == (record(1),)


@pytest.mark.parametrize("deed", ["deleted", "replaced", "a folder", "garbage"])
def test_whatever_happens_to_the_file_later_events_are_in_it(
    paths: RunPaths, log: EventLog, deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_LOOK_AGAIN_S", 0.0)
    log(STARTED)
    if deed == "garbage":
        with paths.events.open("ab") as file:
            file.write(b"\x00\xff half a line")
    else:
        paths.events.unlink()
    if deed == "replaced":
        paths.events.write_text("not JSON")
    if deed == "a folder":
        paths.events.mkdir()
    log(Warned(text="first"))
    log(Warned(text="second"))
    assert [event.text for event in last_events(paths) if isinstance(event, Warned)][-1:] == ["second"]


def test_the_latest_events_are_all_of_a_short_file_and_the_whole_lines_of_a_long_one(
    paths: RunPaths, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[RunEvent] = [STARTED, Warned(text="first"), Warned(text="second")]
    for event in events:
        log(event)
    assert [type(event) for event in last_events(paths)] == [RunStarted, Warned, Warned]
    size = paths.events.stat().st_size
    lines = paths.events.read_bytes().splitlines(keepends=True)
    monkeypatch.setattr(follow, "LATE_LOOK", size - len(lines[0]) + 5)
    assert last_events(paths) == list(map(decode_event, lines[1:]))


@pytest.mark.parametrize("meanwhile", [0, 1], ids=["one event", "two events"])
def test_half_a_line_of_a_full_disk_spoils_no_other(
    paths: RunPaths, log: EventLog, monkeypatch: pytest.MonkeyPatch, meanwhile: int
) -> None:
    """The first write that meets the end of the disk is a short one; only the next one fails."""
    log(STARTED)
    monkeypatch.setattr(event_log, "_LOOK_AGAIN_S", 0.0)
    with largest_file(paths.events.stat().st_size + 9):
        log(Warned(text="torn"))
        for _ in range(meanwhile):
            log(Warned(text="lost"))
    log(Warned(text="kept"))
    assert [event.text for event in last_events(paths) if isinstance(event, Warned)] == ["kept"]


def test_while_the_file_cannot_be_opened_events_are_lost_and_nothing_else(
    paths: RunPaths, log: EventLog
) -> None:
    log(STARTED)
    paths.events.unlink()
    paths.root.rename(paths.root.with_name("away"))
    for _ in range(3):
        log(Warned(text="lost"))
    assert last_events(paths) == []


def test_a_file_that_could_not_be_opened_is_not_tried_at_every_event(paths: RunPaths, log: EventLog) -> None:
    paths.root.rename(paths.root.with_name("away"))
    log(STARTED)
    paths.root.mkdir()
    log(Warned(text="too soon"))
    assert not paths.events.exists()


def test_steps_end_at_a_size_and_the_others_go_on(
    paths: RunPaths, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "STEPS_END_AT", 10)
    for event in (STARTED, Step(seq=1, text="too much"), Warned(text="few")):
        log(event)
    assert [line["kind"] for line in written(paths)] == ["run_started", "warned"]
