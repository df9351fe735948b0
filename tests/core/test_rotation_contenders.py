"""What the scheduler gets to see of a rotation: overrides first, then the prompts' own terms (SPEC 2, 3)."""

from __future__ import annotations

import pytest

from pitboss.core.rotation import DEFAULT_ROTATION, Entry, Rotation, contenders, default_rotation
from pitboss.core.scheduler import Contender
from tests.support.values import prompt

ALPHA = prompt("alpha", weight=3, every=2, max_runs=5)
PROMPTS = {"alpha": ALPHA, "bravo": prompt("bravo")}


def test_the_default_rotation_takes_every_prompt_on_its_own_terms_in_the_order_found() -> None:
    rotation = default_rotation([PROMPTS["bravo"], ALPHA])
    assert rotation == Rotation(name="default", entries=(Entry(name="bravo"), Entry(name="alpha")))
    assert rotation.name == DEFAULT_ROTATION
    assert rotation.prompt_names == ("bravo", "alpha")
    assert contenders(rotation, PROMPTS) == [
        Contender(name="bravo", weight=1, every=1, max_runs=None),
        Contender(name="alpha", weight=3, every=2, max_runs=5),
    ]


@pytest.mark.parametrize(
    ("entry", "contender"),
    [
        (Entry(name="alpha"), Contender(name="alpha", weight=3, every=2, max_runs=5)),
        (
            Entry(name="alpha", weight_override=1),
            Contender(name="alpha", weight=1, every=2, max_runs=5),
        ),
        (Entry(name="alpha", every_override=1), Contender(name="alpha", weight=3, every=1, max_runs=5)),
        (
            Entry(name="alpha", max_runs_override=1),
            Contender(name="alpha", weight=3, every=2, max_runs=1),
        ),
        (
            Entry(name="bravo", weight_override=7, every_override=8, max_runs_override=9),
            Contender(name="bravo", weight=7, every=8, max_runs=9),
        ),
    ],
    ids=["none", "weight", "every", "max_runs", "all"],
)
def test_an_override_replaces_exactly_its_own_term(entry: Entry, contender: Contender) -> None:
    assert contenders(Rotation(name="r", entries=(entry,)), PROMPTS) == [contender]


def test_an_empty_rotation_has_no_contenders() -> None:
    assert contenders(default_rotation([]), {}) == []
