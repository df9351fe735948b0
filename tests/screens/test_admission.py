"""The web page lets in whoever has its token, from its own pages, under its own names, and nobody else (SPEC 10)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pitboss.screens.web.admission import (
    Decision,
    Door,
    RequestHead,
    cookies,
    decide,
    names_for,
    only_here,
    split_host,
)

TOKEN = "right"
OURS = "127.0.0.1:8000"
READER = RequestHead(method="GET", host=OURS, cookie=TOKEN)
WRITER = RequestHead(method="POST", host=OURS, cookie=TOKEN, origin=f"http://{OURS}")


def judged(head: RequestHead, *, control: bool = False, **changed: Any) -> Decision:
    return decide(
        msgspec.structs.replace(head, **changed), Door(token=TOKEN, port=8000, allow_control=control)
    )


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        (OURS, True),
        ("localhost:8000", True),
        ("LOCALHOST:8000", True),
        ("[::1]:8000", True),
        ("127.0.0.1", False),
        ("127.0.0.1:8001", False),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example:8000", False),
        ("localhost.evil.example:8000", False),
        ("192.168.1.5:8000", False),
        ("evil.example:8000@127.0.0.1:8000", False),
        ("[::1:8000", False),
        ("[::1]8000", False),
        ("127.0.0.1:", False),
        ("127.0.0.1:٨٠٠٠", False),
        ("127.0.0.1:" + "9" * 5000, False),
        ("[::1]:" + "9" * 5000, False),
        ("", False),
        (None, False),
    ],
)
def test_only_our_own_names_are_answered(host: str | None, *, ours: bool) -> None:
    assert judged(READER, host=host) is (Decision.WELCOME if ours else Decision.WRONG_HOST)


@pytest.mark.parametrize(
    ("token", "cookie", "decision"),
    [
        (TOKEN, None, Decision.REMEMBERED),
        (TOKEN, "old", Decision.REMEMBERED),
        (None, TOKEN, Decision.WELCOME),
        ("old", TOKEN, Decision.WELCOME),
        (None, None, Decision.NO_TOKEN),
        ("old", None, Decision.WRONG_TOKEN),
        (None, "old", Decision.WRONG_TOKEN),
        ("", "", Decision.WRONG_TOKEN),
        ("righ", None, Decision.WRONG_TOKEN),
        ("right\udc80", None, Decision.WRONG_TOKEN),
    ],
)
def test_the_token_opens_and_the_cookie_stands_for_it(
    token: str | None, cookie: str | None, decision: Decision
) -> None:
    assert judged(READER, token=token, cookie=cookie) is decision


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_nothing_but_reading_is_allowed_unless_said(method: str) -> None:
    assert judged(WRITER, method=method) is Decision.READ_ONLY
    assert judged(WRITER, method=method, origin=None) is Decision.READ_ONLY


@pytest.mark.parametrize(
    ("origin", "decision"),
    [
        (f"http://{OURS}", Decision.WELCOME),
        (None, Decision.FOREIGN),
        ("null", Decision.FOREIGN),
        ("http://evil.example", Decision.FOREIGN),
        (f"https://{OURS}", Decision.FOREIGN),
        ("http://127.0.0.1:8001", Decision.FOREIGN),
        ("http://localhost:8000", Decision.FOREIGN),
        (f"http://{OURS}.evil.example", Decision.FOREIGN),
    ],
)
def test_only_our_own_pages_may_steer(origin: str | None, decision: Decision) -> None:
    assert judged(WRITER, control=True, origin=origin) is decision


def test_another_origin_is_refused_whether_or_not_runs_can_be_steered() -> None:
    assert judged(WRITER, origin="http://evil.example") is Decision.FOREIGN
    assert judged(READER, origin="http://evil.example") is Decision.FOREIGN


def test_steering_needs_the_token_as_well() -> None:
    assert judged(WRITER, control=True, cookie=None) is Decision.NO_TOKEN
    assert judged(WRITER, control=True, cookie="old") is Decision.WRONG_TOKEN


@pytest.mark.parametrize(
    ("site", "mode", "decision"),
    [
        ("same-origin", "cors", Decision.WELCOME),
        ("none", "navigate", Decision.WELCOME),
        ("cross-site", "navigate", Decision.WELCOME),
        ("cross-site", "no-cors", Decision.FOREIGN),
        ("same-site", "cors", Decision.FOREIGN),
        ("same-site", None, Decision.FOREIGN),
    ],
)
def test_a_page_of_another_server_may_link_here_but_embed_nothing(
    site: str, mode: str | None, decision: Decision
) -> None:
    assert judged(READER, fetch_site=site, fetch_mode=mode) is decision


@pytest.mark.parametrize(
    ("address", "names", "anywhere"),
    [
        ("127.0.0.1", {"localhost", "127.0.0.1", "::1"}, False),
        ("localhost", {"localhost", "127.0.0.1", "::1"}, False),
        ("127.0.0.2", {"localhost", "127.0.0.1", "::1", "127.0.0.2"}, False),
        ("192.168.1.5", {"192.168.1.5", "desk"}, False),
        ("Desk.lan", {"localhost", "127.0.0.1", "::1", "desk.lan"}, False),
        ("0.0.0.0", {"localhost", "127.0.0.1", "::1", "desk"}, True),
        ("::", {"localhost", "127.0.0.1", "::1", "desk"}, True),
    ],
)
def test_the_names_of_a_server_follow_from_its_address(
    address: str, names: set[str], *, anywhere: bool
) -> None:
    assert names_for(address, "Desk") == (frozenset(names), anywhere)


def test_a_server_on_every_address_answers_to_each_but_not_to_unknown_names() -> None:
    names, anywhere = names_for("0.0.0.0", "desk")
    door = Door(token=TOKEN, port=8000, names=names, anywhere=anywhere)
    hosts = ("192.168.1.5:8000", "[fe80::1]:8000", "desk:8000", "evil.example:8000")
    said = [decide(msgspec.structs.replace(READER, host=host), door) for host in hosts]
    assert said == [Decision.WELCOME, Decision.WELCOME, Decision.WELCOME, Decision.WRONG_HOST]


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("desk", False),
    ],
)
def test_what_only_this_machine_reaches(address: str, *, here: bool) -> None:
    assert only_here(address) is here


def test_a_host_without_a_port_means_port_80() -> None:
    assert split_host("localhost") == ("localhost", 80)
    assert split_host("[::1]") == ("::1", 80)


def test_of_two_cookies_of_one_name_the_first_counts() -> None:
    assert cookies("a=1; b=2=3;a=4; c") == {"a": "1", "b": "2=3"}
    assert cookies(None) == {}
