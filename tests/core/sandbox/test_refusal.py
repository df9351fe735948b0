"""What is told of a machine that makes no sandbox: why, and the line that mends it (SPEC 13)."""

from __future__ import annotations

import pytest

from pitboss.core.sandbox.refusal import Signs, refusal

SAID = "bwrap: setting up uid map: Permission denied\n"
WHY = "the sandbox does not work here: setting up uid map: Permission denied"


@pytest.mark.parametrize(
    ("signs", "message", "mended_by"),
    [
        (
            Signs(linux=False, installed=False),
            "the sandbox does not work here: this system has no bubblewrap",
            "mode = ",
        ),
        (
            Signs(installed=False),
            "the sandbox does not work here: bubblewrap is not installed",
            "apt install bubblewrap",
        ),
        (Signs(said=SAID, apparmor=True), WHY, "/etc/apparmor.d/bwrap"),
        (Signs(said=SAID, clone=False, apparmor=True), WHY, "kernel.unprivileged_userns_clone=1"),
        (Signs(said=SAID, clone=True, most=0), WHY, "user.max_user_namespaces=15000"),
        (Signs(said=SAID, container=True, apparmor=True), WHY, "systempaths=unconfined"),
        (
            Signs(said="bwrap: Can't mount proc on /newroot/proc: Operation not permitted\n"),
            "the sandbox does not work here: Can't mount proc on /newroot/proc: Operation not permitted",
            "systempaths=unconfined",
        ),
        (Signs(said=SAID, clone=True, most=9), WHY, "the kernel must allow bubblewrap"),
        (
            Signs(),
            "the sandbox does not work here: bubblewrap failed without a word",
            "the kernel must allow",
        ),
    ],
)
def test_each_reason_has_its_line(signs: Signs, message: str, mended_by: str) -> None:
    told = refusal(signs)
    assert told.message == message
    assert mended_by in told.hint
    assert '[sandbox] mode = "command"' in told.hint
