"""What was seen of a sandbox, in words, and whether it is good enough."""

from __future__ import annotations

import msgspec
import pytest

from pitboss.core.config import SandboxMode, SandboxSettings
from pitboss.core.sandbox.refusal import Refusal
from pitboss.core.sandbox.seen import Seen

OPEN = SandboxSettings(mode=SandboxMode.BWRAP)
CLOSED = SandboxSettings(mode=SandboxMode.BWRAP, network="none")
WRAPPER = SandboxSettings(mode=SandboxMode.COMMAND, command=("nice",))
GOOD = Seen(settings=OPEN, name="bubblewrap 0.8.0", committed=True, keys=True, connected=True)


def test_a_good_one_works_and_holds() -> None:
    assert (GOOD.works, GOOD.holds, GOOD.hint) == (True, True, None)
    assert GOOD.finding == (
        "bubblewrap 0.8.0: can commit, cannot write outside its tree, ~/.ssh cannot be read, "
        'can connect (network = "open")'
    )


@pytest.mark.parametrize(
    ("changes", "works", "holds", "words", "hint"),
    [
        ({"keys": False}, True, True, "there is no ~/.ssh to read", None),
        ({"committed": False}, False, True, "cannot commit", "must be able to write its tree"),
        ({"wrote": True}, True, False, "can write outside its tree", "it is no sandbox like this"),
        ({"read": True}, True, False, "~/.ssh can be read", "it is no sandbox like this"),
        ({"connected": False}, False, True, "cannot connect", "not as `[sandbox] network` says"),
        (
            {"settings": CLOSED},
            False,
            True,
            'can connect (network = "none")',
            "not as `[sandbox] network` says",
        ),
        ({"settings": CLOSED, "connected": False}, True, True, "cannot connect", None),
        ({"settings": WRAPPER, "connected": False}, True, True, "cannot connect", None),
        ({"refused": Refusal("there is none", "make one")}, False, True, "there is none", "make one"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    changes: dict[str, object], works: bool, holds: bool, words: str, hint: str | None
) -> None:
    seen = msgspec.structs.replace(GOOD, **changes)
    assert (seen.works, seen.holds) == (works, holds)
    assert words in seen.finding
    assert seen.hint is None if hint is None else hint in str(seen.hint)
