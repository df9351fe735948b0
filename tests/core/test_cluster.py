"""Addresses of workers: worker processes here, or a scheduler; unencrypted only on this machine (SPEC 14)."""

from __future__ import annotations

import pytest

from pitboss.core.cluster import LocalWorkers, Scheduler, is_elsewhere, parse_cluster, parse_scheduler
from pitboss.core.fields import Wrong


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("local:1", LocalWorkers(1)),
        ("local:1000", LocalWorkers(1000)),
        (" tls://build-1.example.com:8786 ", Scheduler("tls://build-1.example.com:8786")),
        ("tls://[fe80::1]:1", Scheduler("tls://[fe80::1]:1")),
        ("tcp://127.0.0.1:8786", Scheduler("tcp://127.0.0.1:8786")),
        ("tcp://localhost:65535", Scheduler("tcp://localhost:65535")),
        ("tcp://[::1]:8786", Scheduler("tcp://[::1]:8786")),
    ],
)
def test_an_address_names_workers_here_or_a_scheduler(text: str, meant: LocalWorkers | Scheduler) -> None:
    assert parse_cluster(text) == meant
    assert str(meant) == text.strip()


SHAPE = "must be local:N or tls://HOST:PORT, not "


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "must not be empty"),
        (3, "must be a string, not 3"),
        ("local:0", "must be local:1 to local:1000, not 'local:0'"),
        ("local:1001", "must be local:1 to local:1000, not 'local:1001'"),
        ("local:two", f"{SHAPE}'local:two'"),
        ("h:8786", f"{SHAPE}'h:8786'"),
        ("tls://h", f"{SHAPE}'tls://h'"),
        ("tls://h:0", f"{SHAPE}'tls://h:0'"),
        ("tls://h:65536", f"{SHAPE}'tls://h:65536'"),
        ("tls://h:1/x", f"{SHAPE}'tls://h:1/x'"),
        ("tls://u@h:1", f"{SHAPE}'tls://u@h:1'"),
        ("ucx://h:1", f"{SHAPE}'ucx://h:1'"),
        ("tcp://h:1", "must begin with tls://, since h is another machine; tcp:// is for this one"),
        (
            "tcp://127.0.0.1.example.com:1",
            "must begin with tls://, since 127.0.0.1.example.com is another machine; tcp:// is for this one",
        ),
    ],
)
def test_anything_else_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(Wrong) as caught:
        parse_cluster(value)
    assert str(caught.value) == reason


def test_only_tls_is_encrypted_and_a_worker_joins_a_scheduler_alone() -> None:
    assert parse_scheduler("tls://h:1").is_encrypted
    assert not parse_scheduler("tcp://localhost:1").is_encrypted
    with pytest.raises(Wrong):
        parse_scheduler("local:2")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("tcp://127.0.0.1:1", "127.0.0.1"),
        ("tls://127.1.2.3:1", "127.1.2.3"),
        ("tcp://localhost:1", "localhost"),
        ("tcp://[::1]:1", "::1"),
        ("tls://127.0.0.1.example.com:1", None),
        ("tls://[fe80::1]:1", None),
    ],
)
def test_a_scheduler_on_loopback_is_reached_from_this_machine_alone(address: str, host: str | None) -> None:
    assert parse_scheduler(address).loopback == host


def test_only_the_workers_of_a_scheduler_may_be_other_machines() -> None:
    addresses = (None, "local:3", "tcp://127.0.0.1:8786", "tls://rack:8786")
    assert [is_elsewhere(address) for address in addresses] == [False, False, True, True]
