"""Hooks of the user's, and what agents do to get past them."""

from __future__ import annotations

from tests.hostile.act import IN_PLACE, PARALLEL, WORKTREE, Act

_HOOK = "printf '#!/bin/sh\\n! git grep -q --cached FORBIDDEN -- bad.txt\\n' >{0}/pre-commit; chmod +x {0}/pre-commit; "
_HELPED = """
mkdir .git/hooks/pre-commit.d
printf '#!/bin/sh\\nsh "$(dirname "$0")/pre-commit.d/check"\\n' >.git/hooks/pre-commit
echo '! git grep -q --cached FORBIDDEN -- bad.txt' >.git/hooks/pre-commit.d/check
chmod +x .git/hooks/pre-commit
"""
_IGNORED = f"mkdir -p .husky/_; echo _ >.husky/.gitignore; {_HOOK.format('.husky/_')}"
_TRACKED = f"mkdir .githooks; {_HOOK.format('.githooks')}"
_COMMITTED = "git add -A; git commit -q --allow-empty -m hooks; git config core.hooksPath "
_BAD = "echo FORBIDDEN >bad.txt"
_REFUSED = {"keeps": ("FORBIDDEN",), "ends": ("error: commit_refused",), "codes": (1,)}

ACTS = {
    "plain": Act(_BAD, before=_HOOK.format(".git/hooks"), **_REFUSED),  # type: ignore[arg-type]
    "relative-and-ignored": Act(_BAD, before=f"{_IGNORED}{_COMMITTED}.husky/_", **_REFUSED),  # type: ignore[arg-type]
    "relative-and-tracked": Act(_BAD, before=f"{_TRACKED}{_COMMITTED}.githooks", **_REFUSED),  # type: ignore[arg-type]
    "relative-and-outside": Act(
        _BAD,
        before=f"mkdir ../hooks; {_HOOK.format('../hooks')}{_COMMITTED}../hooks",
        keeps=("FORBIDDEN",),
        told="do not run in working copies",
        modes=(WORKTREE, PARALLEL),
    ),
    "ignored-and-taken-away": Act(
        f'{_BAD}; until rm -rf .husky/_ "$REPO/.husky/_"; do :; done',
        before=f"{_IGNORED}{_COMMITTED}.husky/_",
        **_REFUSED,  # type: ignore[arg-type]
    ),
    "taken-away": Act(
        f'{_BAD}; until rm -rf "$REPO/.git/hooks"; do :; done',  # a neighbour's session puts it back meanwhile
        before=_HOOK.format(".git/hooks"),
        told="hooks/pre-commit was put back",
        **_REFUSED,  # type: ignore[arg-type]
    ),
    "made-to-agree": Act(
        f'{_BAD}; echo true >"$REPO/.git/hooks/pre-commit"',
        before=_HOOK.format(".git/hooks"),
        told="hooks/pre-commit was put back",
        **_REFUSED,  # type: ignore[arg-type]
    ),
    "folders-for-hooks": Act(
        # Beside a neighbour they may refuse the commit that is just being made there, as any hook may.
        'cd "$REPO/.git/hooks"; mkdir -p pre-commit commit-msg/in reference-transaction',
        ends=("ok",),
        told="hooks/pre-commit was removed",
        modes=(IN_PLACE, WORKTREE),
    ),
    "what-they-call-made-to-agree": Act(
        f'{_BAD}; echo true >"$REPO/.git/hooks/pre-commit.d/check"',
        before=_HELPED,
        told="hooks/pre-commit.d/check was put back",
        **_REFUSED,  # type: ignore[arg-type]
    ),
    "what-they-call-taken-away": Act(
        'until rm -rf "$REPO/.git/hooks/pre-commit.d"; do :; done',
        before=_HELPED,
        ends=("ok",),
        told="hooks/pre-commit.d was put back",
        modes=(IN_PLACE, WORKTREE),
    ),
}
