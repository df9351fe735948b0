"""Hooks of the user's, and what agents do to get past them."""

from __future__ import annotations

from tests.hostile.act import PARALLEL, WORKTREE, Act

_HOOK = "printf '#!/bin/sh\\n! git grep -q --cached FORBIDDEN -- bad.txt\\n' >{0}/pre-commit; chmod +x {0}/pre-commit; "
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
}
