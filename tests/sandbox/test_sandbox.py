"""Every attack on a run in the sandbox, and without it: else nobody knows that it is an attack (SPEC 13)."""

from __future__ import annotations

import pytest

from tests.sandbox.attack import MODES
from tests.sandbox.attacks import all_attacks
from tests.sandbox.table import PAGE, between_marks, scene_folder, table
from tests.sandbox.trial import Trial
from tests.support.sandboxes import needs_bwrap


def test_the_page_says_what_the_suite_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert between_marks(page, table()) == page, "run `make sandbox`"


@needs_bwrap
@pytest.mark.parametrize("network", ["open", "none"])
@pytest.mark.parametrize("mode", MODES)
def test_stops_what_its_table_says(mode: str, network: str) -> None:
    with scene_folder() as folder:
        assert Trial(folder, all_attacks(), mode, sandbox=True, network=network).surprises() == []


@needs_bwrap
@pytest.mark.parametrize("mode", MODES)
def test_each_attack_succeeds_without_it(mode: str) -> None:
    with scene_folder() as folder:
        assert Trial(folder, all_attacks(), mode, sandbox=False).surprises() == []
