"""Mail to a live run: sent by other processes, taken once by the run, in order; what is not fit is refused."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.core.budget import CapChanges
from pitboss.core.requests import ChangeCaps, Letter, Pause, Request, Skip, Stop, Unpause
from pitboss.errors import RunDirectoryGone, StorageError
from pitboss.store import mailbox
from pitboss.store.mailbox import LONGEST, MOST_AT_ONCE, is_waiting, send, take_mail, throw_away
from pitboss.store.opening import open_folder, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.store.rundir import RunDir

STAMP = "01782546789012345678"
NAME = f"request-{STAMP}-test-0123abcd.json"
PAUSE = b'{"kind":"pause"}'
LETTERS: list[Letter] = [
    Pause(),
    Unpause(),
    ChangeCaps(caps=CapChanges(max_iterations=0, max_tokens=None)),
    ChangeCaps(caps=CapChanges(max_cost_usd=2.5, until=datetime(2026, 5, 1, tzinfo=UTC))),
]


def asked(run: RunDir) -> list[Request]:
    return [received.what for received in take_mail(run.paths).received]


def refusals(run: RunDir) -> list[str]:
    return [refused.why for refused in take_mail(run.paths).refused]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def everything(run: RunDir) -> list[str]:
    return names(run.paths.control)


class TestToldByName:
    def test_a_request_is_taken_once_however_often_it_was_made(self, run: RunDir) -> None:
        sent = [
            send(run.paths, what, by="test")
            for what in (Stop(), Skip(), Stop(), Skip(seq=3), Skip(seq=12), Skip(seq=3))
        ]
        assert sent == ["drain", "skip", "drain", "skip-3", "skip-12", "skip-3"]
        mail = take_mail(run.paths)
        assert {(received.id, received.by) for received in mail.received} == {(name, "") for name in sent}
        assert len(mail.received) == 4
        assert asked(run) == []

    @pytest.mark.parametrize(
        ("what", "name"),
        [
            (Stop(), "drain"),
            (Stop(now=True), "abort"),
            (Skip(), "skip"),
            (Skip(seq=7), "skip-7"),
        ],
    )
    def test_each_has_the_name_that_other_programs_know(self, run: RunDir, what: Request, name: str) -> None:
        (run.paths.control / name).touch()
        assert asked(run) == [what]
        send(run.paths, what, by="test")
        assert everything(run) == [name]

    def test_the_skip_file_of_the_repository_is_a_request_to_skip_and_taken_once(self, run: RunDir) -> None:
        run.paths.skip_file.touch()
        assert asked(run) == [Skip()]
        assert not run.paths.skip_file.exists()
        assert asked(run) == []

    def test_a_request_makes_a_missing_control_directory_again(self, run: RunDir) -> None:
        for what in (Stop(now=True), Skip(seq=1), Pause()):
            shutil.rmtree(run.paths.control)
            assert asked(run) == []
            send(run.paths, what, by="test")
            assert asked(run) == [what]

    def test_other_files_and_folders_among_the_requests_ask_for_nothing_and_stay(self, run: RunDir) -> None:
        for name in ("abort", "skip-4"):
            (run.paths.control / name).mkdir()
        others = [
            "skip-",
            "skip-x",
            "skip--1",
            "skip-\N{SUPERSCRIPT TWO}",
            "skip-\N{ARABIC-INDIC DIGIT TWO}",
            "skip-" + "1" * 4999,
            "drain-1",
            "requests",
            "x",
            f"{NAME}.tmp",
        ]
        others = [name for name in others if len(os.fsencode(name)) < 256]
        for name in others:
            (run.paths.control / name).touch()
        send(run.paths, Stop(), by="test")
        mail = take_mail(run.paths)
        assert ([received.what for received in mail.received], mail.refused) == ([Stop()], ())
        assert everything(run) == sorted([*others, "abort", "skip-4"])

    def test_a_request_that_is_withdrawn_while_it_is_read_asks_for_nothing(
        self, run: RunDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for what in (Stop(now=True), Skip(seq=3), Pause()):
            send(run.paths, what, by="test")
        found = everything(run)

        def and_withdraw(_folder: int) -> list[str]:
            for name in found:
                if name != "skip-3":
                    (run.paths.control / name).unlink()
            return found

        monkeypatch.setattr(os, "listdir", and_withdraw)
        mail = take_mail(run.paths)
        assert ([received.what for received in mail.received], mail.refused) == ([Skip(seq=3)], ())


class TestLetters:
    @pytest.mark.parametrize("letter", LETTERS)
    def test_what_was_sent_is_received_with_its_sender_and_id(self, run: RunDir, letter: Letter) -> None:
        sent = send(run.paths, letter, by="watch")
        assert is_waiting(run.paths, sent)
        mail = take_mail(run.paths)
        (received,) = mail.received
        assert (received.what, received.by, received.id) == (letter, "watch", sent)
        assert mail.refused == ()
        assert not is_waiting(run.paths, sent)
        assert asked(run) == []

    def test_all_are_received_in_the_order_in_which_they_were_sent(self, run: RunDir) -> None:
        letters = [ChangeCaps(caps=CapChanges(max_iterations=number)) for number in range(MOST_AT_ONCE + 9)]
        for letter in letters:
            send(run.paths, letter, by="test")
        assert asked(run) == letters[:MOST_AT_ONCE]
        assert asked(run) == letters[MOST_AT_ONCE:]

    def test_they_wait_for_who_can_do_what_they_say(self, run: RunDir) -> None:
        sent = send(run.paths, Pause(), by="test")
        send(run.paths, Stop(), by="test")
        mail = take_mail(run.paths, letters=False)
        assert [received.what for received in mail.received] == [Stop()]
        assert everything(run) == [sent]

    def test_a_letter_is_private_and_nothing_else_is_left_of_its_making(self, run: RunDir) -> None:
        sent = send(run.paths, Pause(), by="test")
        assert everything(run) == [sent]
        assert (run.paths.control / sent).stat().st_mode & 0o777 == 0o600

    def test_a_program_without_a_library_can_write_one(self, run: RunDir) -> None:
        text = '{"kind": "budget", "caps": {"max_cost_usd": 20, "until": null}}\n'
        (run.paths.control / NAME).write_text(text)
        assert asked(run) == [ChangeCaps(caps=CapChanges(max_cost_usd=20.0, until=None))]

    def test_what_cannot_be_sent_leaves_nothing_behind(
        self, run: RunDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_descriptor: int, _data: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(mailbox, "write_all", full)
        with pytest.raises(StorageError, match=r"cannot write .*request-.*No space left"):
            send(run.paths, Pause(), by="test")
        assert everything(run) == []

    def test_a_request_to_a_run_that_is_gone_says_so(self, run: RunDir) -> None:
        shutil.rmtree(run.paths.root)
        for what in (Stop(now=True), Pause()):
            with pytest.raises(RunDirectoryGone, match=r"cannot write .*control/(abort|request-)"):
                send(run.paths, what, by="test")


def of_content(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def linked(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.write_bytes(PAUSE)
    path.symlink_to(elsewhere)


def linked_hard(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.write_bytes(PAUSE)
    path.hardlink_to(elsewhere)


class TestUnfit:
    @pytest.mark.parametrize(
        ("make", "why"),
        [
            (of_content(b""), "Input data was truncated"),
            (of_content(b'{"kind":"pau'), "Input data was truncated"),
            (of_content(b"\xff\xfe"), "Invalid"),
            (of_content(b'{"kind":"dance"}'), "Invalid value 'dance'"),
            (of_content(b'{"kind":"stop"}'), "Invalid value 'stop'"),
            (of_content(b'{"kind":"budget","caps":{"max_cost_usd":-1}}'), "Expected `float` >= 0"),
            (of_content(b'{"kind":"budget","caps":{"max_cost_usd":NaN}}'), "malformed"),
            (of_content(b'{"kind":"budget","caps":{"max_sessions":1}}'), "unknown field"),
            (of_content(b'{"kind":"budget","caps":{"until":"2026-05-01T00:00:00"}}'), "timezone"),
            (of_content(b"[" * LONGEST), "Expected `object`"),
            (of_content(PAUSE + b" " * LONGEST), "it is longer than 4096 bytes"),
            (linked, "symbolic link"),
            (linked_hard, "second name"),
            (os.mkfifo, "not a regular file"),
            (os.mkdir, "directory"),
        ],
    )
    def test_it_is_kept_elsewhere_and_the_next_letter_counts(
        self, run: RunDir, make: Callable[[Path], object], why: str
    ) -> None:
        make(run.paths.control / NAME)
        send(run.paths, Unpause(), by="test")
        mail = take_mail(run.paths)
        (refused,) = mail.refused
        assert refused.id == NAME
        assert refused.why.startswith(f"the request {NAME} was refused: ")
        assert why.lower() in refused.why.lower()
        assert [received.what for received in mail.received] == [Unpause()]
        assert (everything(run), names(run.paths.refused)) == ([], [NAME])

    @pytest.mark.parametrize(
        "name",
        [
            "request-1.json",
            f"request-{STAMP}-test-0123abcd",
            f"request-{STAMP}-UP-0123abcd.json",
            f"request-{STAMP}--0123abcd.json",
            f"request-{STAMP}-{'a' * 33}-0123abcd.json",
            "request-\x1b[2J",
        ],
    )
    def test_a_name_that_says_neither_when_nor_who_is_refused(self, run: RunDir, name: str) -> None:
        (run.paths.control / name).write_bytes(PAUSE)
        (why,) = refusals(run)
        assert "that is not the name of one" in why
        assert "\x1b" not in why

    def test_what_stands_in_the_way_of_keeping_it_only_means_that_it_is_not_kept(self, run: RunDir) -> None:
        run.paths.refused.parent.mkdir()
        run.paths.refused.parent.chmod(0o700)
        (run.paths.refused).mkdir()
        (run.paths.refused / NAME).mkdir()
        (run.paths.control / NAME).write_bytes(b"")
        assert len(refusals(run)) == 1
        assert everything(run) == []

    def test_a_folder_that_cannot_be_kept_stays_and_is_not_mentioned_again_and_again(
        self, run: RunDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def in_the_way(*_: object, **__: object) -> int:
            raise OSError(13, "Permission denied")

        (run.paths.control / NAME).mkdir()
        real = open_folder
        monkeypatch.setattr(
            mailbox,
            "open_folder",
            lambda path, *, make=False: in_the_way() if make else real(path),
        )
        assert refusals(run) == []
        assert everything(run) == [NAME]

    def test_a_folder_full_of_rubbish_is_worked_off_bit_by_bit(self, run: RunDir) -> None:
        for number in range(3 * MOST_AT_ONCE):
            (run.paths.control / f"request-{number:020}-test-0123abcd.json").write_bytes(b"?")
        sent = send(run.paths, Pause(), by="test")
        looks = [take_mail(run.paths) for _ in range(4)]
        assert [len(mail.refused) for mail in looks] == [MOST_AT_ONCE] * 3 + [0]
        assert [received.id for mail in looks for received in mail.received] == [sent]


class TestStrangers:
    """The tests run as root, so a file can be given to somebody else; where they do not, the run is somebody else."""

    @pytest.fixture(autouse=True)
    def strange(self, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
        """The runner is another user than the one who writes here, and owns state.json."""
        own = os.geteuid() + 1
        real = status

        def owned(path: Path) -> os.stat_result | None:
            found = real(path)
            if found is None or path != run.paths.state:
                return found
            return os.stat_result([own if at == 4 else value for at, value in enumerate(found)])

        monkeypatch.setattr(mailbox, "status", owned)
        monkeypatch.setattr(os, "geteuid", lambda: own)

    @pytest.mark.parametrize("what", [Stop(), Stop(now=True), Skip(), Skip(seq=1), *LETTERS])
    def test_what_another_user_sends_is_refused_and_gone(self, run: RunDir, what: Request) -> None:
        sent = send(run.paths, what, by="test")
        mail = take_mail(run.paths)
        (refused,) = mail.refused
        assert mail.received == ()
        assert refused.id == sent
        assert refused.why.endswith(f"another user of this machine made it (uid {os.getuid()})")
        assert everything(run) == []

    def test_the_skip_file_of_another_user_is_refused(self, run: RunDir) -> None:
        run.paths.skip_file.touch()
        assert len(refusals(run)) == 1
        assert asked(run) == []

    def test_where_all_files_have_one_owner_requests_count(
        self, run: RunDir, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        send(run.paths, Pause(), by="test")
        assert asked(run) == [Pause()]

    def test_without_a_state_to_compare_with_only_the_own_files_count(self, run: RunDir) -> None:
        run.paths.state.unlink()
        send(run.paths, Pause(), by="test")
        assert len(refusals(run)) == 1


def test_a_folder_that_others_may_write_to_is_made_private_and_said_once(run: RunDir) -> None:
    run.paths.control.chmod(0o777)
    send(run.paths, Pause(), by="test")
    mail = take_mail(run.paths)
    assert [received.what for received in mail.received] == [Pause()]
    (refused,) = mail.refused
    assert refused.id == ""
    assert refused.why == "others could write to the run's folder control (mode 777): it is private now"
    assert run.paths.control.stat().st_mode & 0o777 == 0o700
    assert refusals(run) == []


def test_what_was_meant_for_an_earlier_life_is_thrown_away_and_the_rest_stays(run: RunDir) -> None:
    for what in (Stop(), Skip(seq=3), *LETTERS):
        send(run.paths, what, by="test")
    run.paths.skip_file.touch()
    (run.paths.control / f"{NAME}.tmp").touch()
    (run.paths.control / "notes").touch()
    (run.paths.control / "abort").mkdir()
    throw_away(run.paths)
    assert everything(run) == ["abort", "notes"]
    assert not run.paths.skip_file.exists()
    shutil.rmtree(run.paths.root)
    throw_away(run.paths)
