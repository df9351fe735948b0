"""How much a session changed, as git says it."""

from __future__ import annotations

import pytest

from pitboss.core.diff_stat import DiffStat, may_add, parse_shortstat


@pytest.mark.parametrize(
    ("said", "stat"),
    [
        (" 1 file changed, 1 insertion(+)\n", DiffStat(files=1, added=1)),
        (" 2 files changed, 1 deletion(-)\n", DiffStat(files=2, removed=1)),
        (
            " 3 files changed, 20 insertions(+), 4 deletions(-)\n create mode 100644 a\n",
            DiffStat(files=3, added=20, removed=4),
        ),
        (" Date: today\n 1 file changed, 0 insertions(+), 0 deletions(-)\n", DiffStat(files=1)),
        (" 1 file changed\n", DiffStat(files=1)),
        ("", None),
        ("2 files changed, by somebody\n", None),
    ],
)
def test_what_git_says_is_understood(said: str, stat: DiffStat | None) -> None:
    assert parse_shortstat(said) == stat


@pytest.mark.parametrize(
    ("below", "adds"),
    [
        ("", False),
        (" delete mode 100644 a\n mode change 100644 => 100755 b\n rewrite c (90%)\n", False),
        (" create mode 100644 a\n", True),
        (" rename {a => b}/c (100%)\n", True),
        (" copy a => b (100%)\n", True),
        (" delete mode 100644 a\n create mode 100644 b\n", True),
    ],
)
def test_whether_files_may_be_new(below: str, adds: bool) -> None:
    assert may_add(f"[b 1234567] words\n 1 file changed, 1 insertion(+)\n{below}") is adds


def test_where_git_said_nothing_files_may_be_new() -> None:
    assert may_add("")
