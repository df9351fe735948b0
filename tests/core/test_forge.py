"""A branch of a fork is named with its owner; one of the repository to merge into by itself."""

from __future__ import annotations

import pytest

from pitboss.core.forge import head, repository

ORIGIN = "https://github.com/me/it.git"
UPSTREAM = "git@github.com:them/it"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (ORIGIN, ("me", "it")),
        (UPSTREAM, ("them", "it")),
        ("ssh://git@github.com:22/me/it.git/", ("me", "it")),
        ("https://me:secret@github.example.org/me/it", ("me", "it")),
        ("github.com:me/it.git", ("me", "it")),
        ("/srv/git/it.git", None),
        ("../it", None),
        ("file:///srv/git/it.git", None),
        ("", None),
    ],
)
def test_owner_and_name_of_an_address(url: str, found: tuple[str, str] | None) -> None:
    assert repository(url) == found


@pytest.mark.parametrize(
    ("remote", "urls", "told", "named"),
    [
        ("origin", {"origin": ORIGIN}, {}, "b"),
        ("origin", {"origin": ORIGIN, "upstream": UPSTREAM}, {}, "me:b"),
        ("upstream", {"origin": ORIGIN, "upstream": UPSTREAM}, {}, "b"),
        ("fork", {"origin": UPSTREAM, "fork": ORIGIN}, {}, "me:b"),
        ("fork", {"zulu": UPSTREAM, "fork": ORIGIN}, {}, "b"),
        ("origin", {"origin": ORIGIN, "upstream": UPSTREAM}, {"origin": "base"}, "b"),
        ("origin", {"origin": ORIGIN}, {"origin": "them/it"}, "me:b"),
        ("origin", {"origin": ORIGIN}, {"origin": "github.com/Me/It"}, "b"),
        ("origin", {"origin": "/srv/it.git", "upstream": UPSTREAM}, {}, "b"),
        ("origin", {"origin": ORIGIN, "upstream": "/srv/it.git"}, {}, "b"),
        ("origin", {}, {}, "b"),
    ],
)
def test_the_head_of_a_pull_request(
    remote: str, urls: dict[str, str], told: dict[str, str], named: str
) -> None:
    assert head("b", remote, urls, told) == named
