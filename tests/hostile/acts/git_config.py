"""What agents write into git's config: where it writes, and what it runs."""

from __future__ import annotations

from tests.hostile.act import WORKTREE, Act

SUBMODULE = """
git -c protocol.file.allow=always submodule --quiet add "$BESIDE/other" sub
git commit -qm submodule
"""
WORKTREE_CONFIG = "git config extensions.worktreeConfig true"

ACTS = {
    "core.worktree": Act('git config core.worktree "$BESIDE"'),
    "core.worktree-in-the-repository": Act('git --git-dir="$REPO/.git" config core.worktree "$BESIDE/other"'),
    "core.worktree-of-one-worktree": Act(f'{WORKTREE_CONFIG}; git config --worktree core.worktree "$BESIDE"'),
    "core.worktree-by-include": Act(
        'git config -f "$SCRATCH/config" core.worktree "$BESIDE"; git config include.path "$SCRATCH/config"',
        touches=("config",),
    ),
    "core.worktree-of-a-submodule": Act(
        "git -c protocol.file.allow=always submodule --quiet update --init sub; echo x >sub/new.txt; "
        'git -C sub config core.worktree "$BESIDE"',
        before=SUBMODULE,
    ),
    "git-file-of-a-submodule": Act(
        "git -c protocol.file.allow=always submodule --quiet update --init sub; "
        'echo "gitdir: $BESIDE/other/.git" >sub/.git; echo x >sub/new.txt',
        before=SUBMODULE,
    ),
    "core.worktree-of-a-repository-of-its-own": Act(
        'git init -q own; echo x >own/file; git -C own config core.worktree "$BESIDE"'
    ),
    "core.ignoreCase": Act(
        "git config core.ignoreCase true; echo small >readme.md; echo large >Readme.MD",
        touches=("config",),
        keeps=("small\n", "large\n"),
        ends=("ok",),
    ),
    "core.ignoreCase-and-fails": Act(
        "git config core.ignoreCase true; echo small >readme.md; exit 1",
        touches=("config",),
        keeps=("small\n",),
    ),
    "core.ignoreCase-of-the-user": Act(
        "echo small >readme.md", before="git config core.ignoreCase true", keeps=("small\n",), ends=("ok",)
    ),
    "core.bare": Act("git config core.bare true", ends=("ok",), told="core.bare"),
    "core.hooksPath": Act(
        'mkdir "$SCRATCH/hooks"; printf "#!/bin/sh\\nexit 1\\n" >"$SCRATCH/hooks/pre-commit"; '
        'chmod +x "$SCRATCH/hooks/pre-commit"; git config core.hooksPath "$SCRATCH/hooks"',
        ends=("ok",),
        told="core.hookspath",
    ),
    "core.hooksPath-of-one-worktree": Act(
        'mkdir "$SCRATCH/hooks"; printf "#!/bin/sh\\nexit 1\\n" >"$SCRATCH/hooks/pre-commit"; '
        'chmod +x "$SCRATCH/hooks/pre-commit"; git config --worktree core.hooksPath "$SCRATCH/hooks"',
        before=WORKTREE_CONFIG,
        ends=("ok",),
        told="core.hookspath",
    ),
    "a-required-filter-of-one-worktree": Act(
        "git config --worktree filter.none.required true; git config --worktree filter.none.clean false; "
        "echo '*.txt filter=none' >.gitattributes",
        before=f"{WORKTREE_CONFIG}; git config --worktree core.abbrev 9",
        ends=("ok",),
        told="filter.none.required",
    ),
    "garbage-for-the-config-of-one-worktree": Act(
        'echo "[core" >"$(git rev-parse --git-path config.worktree)"',
        before=WORKTREE_CONFIG,
        ends=("ok",),
        told="could no longer be read",
    ),
    "a-required-filter": Act(
        "git config filter.none.required true; git config filter.none.clean false; "
        "echo '*.txt filter=none' >.gitattributes",
        ends=("ok",),
    ),
    "no-config-any-more": Act('rm "$REPO/.git/config"', ends=("ok",)),
    "no-config-but-garbage": Act(
        'echo "[core" >"$REPO/.git/config"', ends=("ok",), told="could no longer be read"
    ),
    "a-link-for-a-config": Act(
        # In one step: a neighbour that lands puts a missing config back, and removes new links.
        'cd "$SCRATCH"; cp "$REPO/.git/config" .; ln -s "$SCRATCH/config" new; mv -T new "$REPO/.git/config"',
        ends=("ok",),
    ),
    "a-folder-for-a-config": Act('cd "$REPO/.git"; rm config && mkdir config || true', ends=("ok",)),
    "repository-version": Act("git config core.repositoryFormatVersion 99", ends=("ok",)),
    "hook-that-refuses": Act(
        # Beside a neighbour it may refuse the commit that is just being made there: see docs/explain/durability.md.
        'cd "$SCRATCH"; printf "#!/bin/sh\\nexit 1\\n" >refuses; chmod +x refuses; '
        'for name in pre-commit reference-transaction; do cp refuses new; mv new "$REPO/.git/hooks/$name"; done',
        ends=("ok",),
        told="hooks/pre-commit was removed",
        modes=("in-place", WORKTREE),
    ),
    "no-hooks-any-more": Act(
        'until rm -rf "$REPO/.git/hooks"; do :; done',  # in parallel it is put back meanwhile
        before="printf '#!/bin/sh\\n! git grep -q --cached FORBIDDEN\\n' >.git/hooks/pre-commit; chmod +x .git/hooks/*",
    ),
    "what-is-its-own-to-set": Act(
        "git config user.name agent; git config branch.x.remote origin",
        touches=("config",),
        ends=("ok",),
        told="user.name",
    ),
    "both-kinds": Act(
        "git config user.name agent; git config core.worktree ..",
        touches=("config",),
        ends=("ok",),
        told="core.worktree",
    ),
}
