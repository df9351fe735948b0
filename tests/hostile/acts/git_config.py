"""What agents write into git's config: where it writes, and what it runs."""

from __future__ import annotations

from tests.hostile.act import Act

SUBMODULE = """
git -c protocol.file.allow=always submodule --quiet add "$BESIDE/other" sub
git commit -qm submodule
"""
WORKTREE_CONFIG = "git config extensions.worktreeConfig true"

ACTS = {
    "core.worktree": Act('git config core.worktree "$BESIDE"', touches=("config",)),
    "core.worktree-in-the-repository": Act(
        'git --git-dir="$REPO/.git" config core.worktree "$BESIDE/other"', touches=("config",)
    ),
    "core.worktree-of-one-worktree": Act(
        f'{WORKTREE_CONFIG}; git config --worktree core.worktree "$BESIDE"', touches=("config",)
    ),
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
}
