"""Notices: what they say, what is still owed, and addresses with variables."""

from __future__ import annotations

import pytest

from pitboss.core.config import Topic
from pitboss.core.notice import MOST_OWED, Address, News, Notice, Owed, address, variables

ENDED = News(topic=Topic.ENDED, text="the run stopped on request", command="pitboss status r")
WAITS = News(topic=Topic.WAITING, text="waiting for codex")


def test_a_notice_lists_the_news_with_the_commands_below_them() -> None:
    notice = Notice(repository="/home/me/shop/", run_id="r", owed=Owed(news=(ENDED, WAITS), more=3))
    assert notice.title == "shop r"
    assert notice.text == "the run stopped on request\n    pitboss status r\nwaiting for codex\nand 3 more"
    assert notice.as_json() == {
        "repository": "/home/me/shop/",
        "run_id": "r",
        "title": "shop r",
        "text": notice.text,
        "events": [
            {"on": "ended", "text": "the run stopped on request", "command": "pitboss status r"},
            {"on": "waiting", "text": "waiting for codex", "command": None},
        ],
        "more": 3,
    }
    assert Notice(repository="/", run_id="r", owed=Owed()).title == "/ r"
    assert Notice(repository="/", run_id="r", owed=Owed(news=(WAITS,))).text == "waiting for codex"


def test_news_is_merged_without_repeats_and_bounded_and_what_arrived_is_no_longer_owed() -> None:
    owed = Owed().plus([ENDED, WAITS, ENDED])
    assert owed.news == (ENDED, WAITS)
    assert owed
    many = [News(topic=Topic.WAITING, text=str(nth)) for nth in range(MOST_OWED)]
    full = owed.plus(many)
    assert (len(full.news), full.more) == (MOST_OWED, 2)
    left = full.minus(owed)
    assert (len(left.news), left.more) == (MOST_OWED - 2, 2)
    assert not full.minus(full)
    assert Owed(more=1)


def test_secrets_in_what_is_told_are_replaced() -> None:
    assert Owed(news=(WAITS,), more=1).redacted(lambda text: text.replace("codex", "*")) == Owed(
        news=(News(topic=Topic.WAITING, text="waiting for *"),), more=1
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ntfy://${A}@host/${B}", Address(name="it (ntfy)", url="ntfy://one@host/two")),
        ("${A}", Address(name="it", url="one")),
        ("json://host", Address(name="it (json)", url="json://host")),
        ("json://$A/$ {A}/${}", Address(name="it (json)", url="json://$A/$ {A}/${}")),
        ("${GONE}${EMPTY}${A}", Address(name="it", url=None, missing=("GONE", "EMPTY"))),
    ],
)
def test_variables_of_an_address_are_looked_up(text: str, found: Address) -> None:
    assert address(text, "it", {"A": "one\n", "B": "two", "EMPTY": ""}) == found


def test_the_variables_of_an_address_are_named_once() -> None:
    assert variables("${A}/${B}/${A}") == ("A", "B")
