"""A landing cut short while the user's checkout followed is finished, and nobody's edits are lost (SPEC 7)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.user_checkout import RescueLabel

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
LABEL = RescueLabel(run_id=RUN, seq=1, text="rescued")
LANDED = f"""
git init -q -b pitboss/grind/{RUN} . && git config user.name u && git config user.email u@local
echo old >landed && echo mine >mine && git add -A && git commit -qm start
echo new >landed && git commit -qam landed
"""
CUT_SHORT = {
    "before the files": "git read-tree --reset HEAD~1 && echo old >landed && git read-tree --reset HEAD",
    "before the index": "git read-tree --reset HEAD~1",
    "before both": "git read-tree --reset HEAD~1 && echo old >landed",
}

LANDED_SINCE = "\necho more >more && git add -A && git commit -qm more\n"
CUT_SHORT_SINCE = {
    "before the files of the first": "git read-tree --reset HEAD~1 && echo old >landed && rm more",
    "before all files": "git read-tree --reset HEAD && echo old >landed && rm more",
    "before both": "git read-tree --reset HEAD~2 && echo old >landed && rm more",
    "between the files": "git read-tree --reset HEAD~2 && rm more",
}


@pytest.mark.parametrize("moment", CUT_SHORT.values(), ids=CUT_SHORT)
def test_a_checkout_cut_short_is_finished(tmp_path: Path, moment: str) -> None:
    assert followed(tmp_path, moment) == ((), "new\n", "")


@pytest.mark.parametrize("moment", CUT_SHORT_SINCE.values(), ids=CUT_SHORT_SINCE)
@pytest.mark.parametrize("edit", ["true", "echo edited >mine"])
def test_one_that_followed_several_landings_is_too(tmp_path: Path, moment: str, edit: str) -> None:
    status = " M mine" if "mine" in edit else ""
    assert followed(tmp_path, f"{LANDED_SINCE}{moment} && {edit}") == ((), "new\n", status)
    assert (tmp_path / "more").read_text() == "more\n"


def test_what_somebody_edited_where_one_that_followed_several_was_cut_short_is_kept(
    tmp_path: Path,
) -> None:
    moment = CUT_SHORT_SINCE["between the files"]
    refs, landed, status = followed(tmp_path, f"{LANDED_SINCE}{moment} && echo edited >landed")
    assert (len(refs), landed, status) == (1, "new\n", "")


def test_what_somebody_edits_elsewhere_stays(tmp_path: Path) -> None:
    refs, landed, status = followed(tmp_path, "echo edited >mine")
    assert (refs, landed, status) == ((), "new\n", " M mine")


def test_what_somebody_edited_elsewhere_in_a_checkout_cut_short_stays(tmp_path: Path) -> None:
    refs, landed, status = followed(tmp_path, CUT_SHORT["before the files"] + " && echo edited >mine")
    assert (refs, landed, status) == ((), "new\n", " M mine")


def test_what_somebody_edited_where_a_checkout_was_cut_short_is_rescued(tmp_path: Path) -> None:
    refs, landed, status = followed(tmp_path, CUT_SHORT["before the files"] + " && echo edited >landed")
    assert (len(refs), landed, status) == (1, "new\n", "")


def followed(root: Path, moment: str) -> tuple[tuple[str, ...], str, str]:
    """The refs that following the branch made, what the landed file holds then, and git's status."""
    subprocess.run(["sh", "-ec", LANDED + moment], cwd=root, check=True)
    repo = Repo.discover(root)
    refs = RunBranch(repo, f"pitboss/grind/{RUN}", checked_out=True).resume_checkout(LABEL)
    return refs, (root / "landed").read_text(), repo.git("status", "--porcelain").decode().rstrip()
