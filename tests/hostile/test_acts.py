"""Every hostile act in every mode (SPEC 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.acts import all_acts
from tests.hostile.judge import complaints
from tests.hostile.trial import Trial

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.act import Act

CASES = [
    pytest.param(act, mode, id=f"{name}-{mode}") for name, act in all_acts().items() for mode in act.modes
]


@pytest.mark.parametrize(("act", "mode"), CASES)
def test_harms_nobody_loses_nothing_and_ends_no_run(
    act: Act, mode: str, ground: Path, tmp_path: Path
) -> None:
    assert complaints(Trial(ground, tmp_path, act, mode)) == []
