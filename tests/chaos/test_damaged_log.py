"""A damaged sessions.jsonl: a torn tail is moved aside, anything else is a person's to settle (SPEC 7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.chaos.checks import records_of
from tests.chaos.trial import RECORDED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.trial import Trial, Trials

    Damage = Callable[[bytes, bytes], bytes]

TAILS = {
    "half a record": b'{"seq":3,"run_id":"2026',
    "garbage without an end": b"\xff\xfe garbage",
    "NULs, as a power cut leaves them": b"\0" * 4096,
    "a garbage line": b"garbage\n",
    "NULs and a newline": b"\0" * 512 + b"\n",
    "blank lines": b"\n\n\n",
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_a_torn_tail_is_moved_aside_byte_for_byte_and_the_run_goes_on(paused: Trial, tail: bytes) -> None:
    whole = paused.records.read_bytes()
    paused.records.write_bytes(whole + tail)
    assert paused.wrong() == []
    assert paused.aside() == {"sessions.jsonl.torn-1": tail}
    assert paused.records.read_bytes().startswith(whole)


def test_a_record_that_lacks_only_its_newline_is_torn_and_made_again_from_the_outcome(
    trials: Trials, tmp_path: Path
) -> None:
    crashed = trials.crashed(tmp_path / "place", RECORDED)
    written = crashed.records.read_bytes()
    crashed.records.write_bytes(written[:-1])
    assert crashed.wrong(crashes=1) == []
    assert crashed.aside() == {"sessions.jsonl.torn-1": written.splitlines()[-1]}
    assert crashed.records.read_bytes() == written


def replaced(line: bytes, old: bytes, new: bytes) -> bytes:
    assert old in line
    return line.replace(old, new, 1)


DAMAGE = {
    "garbage in the middle": (lambda one, two: one + b"garbage\n" + two, "line 2"),
    "garbage before a torn tail": (lambda one, two: one + two + b"garbage\n{", "line 3"),
    "NULs in the middle": (lambda one, two: one + b"\0" * 4096 + b"\n" + two, "line 2"),
    "a repeated seq": (lambda one, two: one + one + two, "line 2"),
    "a record of another run": (
        lambda one, two: one + replaced(one, b'"run_id":"20', b'"run_id":"19') + two,
        "line 2",
    ),
}


@pytest.mark.parametrize(("damage", "where"), DAMAGE.values(), ids=DAMAGE)
class TestDamageInTheMiddle:
    def test_resume_names_the_line_and_changes_nothing(
        self, paused: Trial, damage: Damage, where: str
    ) -> None:
        self.damage(paused, damage)
        before = paused.picture()
        for refused in (paused.resume(), paused.repair(), paused.repair("--dry-run")):
            assert refused.code == 4, refused
            assert where in refused.stderr
            assert f"hint: `pitboss repair {paused.run.name} --force`" in refused.stderr
            assert paused.picture() == before

    def test_force_sets_the_whole_damaged_log_aside_and_the_run_goes_on(
        self, paused: Trial, damage: Damage, where: str
    ) -> None:
        sound = paused.records.read_bytes()
        damaged = self.damage(paused, damage)
        shown = paused.repair("--force", "--dry-run")
        assert shown.code == 0
        assert "set aside damaged lines of sessions.jsonl" in shown.stdout
        assert paused.records.read_bytes() == damaged
        assert paused.repair("--force").code == 0
        assert paused.records.read_bytes() == sound
        assert damaged.startswith(paused.aside()["sessions.jsonl.damaged-1"])
        assert paused.wrong() == []

    def damage(self, trial: Trial, damage: Damage) -> bytes:
        damaged = damage(*trial.records.read_bytes().splitlines(keepends=True))
        trial.records.write_bytes(damaged)
        return damaged


def test_a_log_shorter_than_the_checkpoint_is_refused_in_the_words_of_the_table(paused: Trial) -> None:
    one, _ = paused.records.read_bytes().splitlines(keepends=True)
    paused.records.write_bytes(one)
    before = paused.picture()
    refused = paused.resume()
    assert refused.code == 4
    assert refused.stderr.splitlines()[0] == (
        f'error: grind run "{paused.run.name}": state.json out of sync with sessions.jsonl (state says '
        "last_session_seq=2, log tail has 1); start a new run or repair state.json by hand"
    )
    assert paused.picture() == before


@pytest.mark.parametrize("kept", [0, 1])
def test_a_log_that_was_cut_is_brought_back_from_its_copy(paused: Trial, kept: int) -> None:
    whole = paused.records.read_bytes()
    cut = b"".join(whole.splitlines(keepends=True)[:kept])
    paused.records.write_bytes(cut)
    assert paused.resume().code == 4
    assert paused.repair().code == 0
    assert (paused.records.read_bytes(), paused.aside()) == (whole, {"sessions.jsonl.damaged-1": cut})
    assert paused.wrong() == []


def test_a_lost_record_is_written_anew_when_that_is_asked_for(paused: Trial) -> None:
    paused.forget_copy()
    one, two = paused.records.read_bytes().splitlines(keepends=True)
    paused.records.write_bytes(one)
    assert "rewrite the lost record of session 2 as aborted" in paused.repair("--force", "--dry-run").stdout
    assert paused.repair("--force").code == 0
    record = records_of(paused)[1]
    assert (record["status"], record["prompt"]) == ("aborted", "d-fails")
    assert record["rescue"] == json.loads(two)["rescue"]
    assert paused.wrong(crashes=1) == []


def test_a_missing_log_is_refused_and_can_be_written_anew_from_the_branch(paused: Trial) -> None:
    paused.forget_copy()
    paused.records.unlink()
    before = paused.picture()
    refused = paused.resume()
    assert refused.code == 4
    assert "log tail has 0" in refused.stderr
    assert paused.picture() == before
    assert paused.repair("--force").code == 0
    assert [(r["prompt"], r["status"]) for r in records_of(paused)] == [
        ("a-commit", "ok"),
        ("d-fails", "aborted"),
    ]
