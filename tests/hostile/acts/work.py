"""Work where git does not look by itself: repositories inside the tree (SPEC 1.2)."""

from __future__ import annotations

from tests.hostile.act import AGENT, COMMIT, PARALLEL, WORKTREE, Act

INIT = f"git init -q -b main .; echo first >page.txt; {COMMIT}; echo second >page.txt; {COMMIT}"
LIBRARY = f"""
git init -q -b main "$SCRATCH/lib"; cd "$SCRATCH/lib"; echo lib >lib.txt; {COMMIT}; cd "$REPO"
git -c protocol.file.allow=always submodule --quiet add "$SCRATCH/lib" lib; git commit -qm lib
"""
INITIALISED = "git -c protocol.file.allow=always submodule --quiet update --init; cd lib"
GOING = (PARALLEL, WORKTREE)
"""Where the tree is removed some day; in the user's it all stays as it is."""
MOVED = "its working copy had been moved to"
KEPT = ("first\n", "second\n")

ACTS = {
    "moves-its-working-copy-by-git": Act(
        f"echo one >one; {COMMIT}; echo two >two; git worktree move . $SCRATCH/moved",
        keeps=("one\n", "two\n"),
        modes=GOING,
        ends=("ok",),
        told=MOVED,
    ),
    "moves-its-working-copy-and-begins-another-in-its-place": Act(
        f'echo one >one; mv "$PITBOSS_WORKTREE" $SCRATCH/moved; mkdir "$PITBOSS_WORKTREE"; '
        f'cd "$PITBOSS_WORKTREE"; {INIT}; echo two >two',
        keeps=("one\n", "two\n"),
        modes=GOING,
        ends=("ok",),
        told=MOVED,
    ),
    "moves-its-working-copy-and-has-git-forget-it": Act(
        'echo one >one; mv "$PITBOSS_WORKTREE" $SCRATCH/moved; git -C "$REPO" worktree prune',
        keeps=("one\n",),
        modes=GOING,
        ends=("dirty: head_moved",),
        told=MOVED,
    ),
    "makes-a-repository": Act(f"mkdir -p a/in; cd a/in; {INIT}", keeps=KEPT),
    "makes-a-repository-with-more-than-its-head": Act(
        f"mkdir in; cd in; {INIT}; git checkout -qb side; echo on-a-branch >b; {COMMIT}; git checkout -q main;"
        f" echo stashed >page.txt; {AGENT} stash -q; echo dropped >c; {COMMIT}; git reset -q --hard HEAD~1",
        keeps=(*KEPT, "on-a-branch\n", "stashed\n", "dropped\n"),
    ),
    "commits-a-gitlink": Act(f"mkdir in; (cd in; {INIT}); {COMMIT} 2>&1", keeps=KEPT),
    "commits-a-gitlink-and-goes-on-inside": Act(
        f"mkdir in; (cd in; {INIT}); {COMMIT} 2>&1; echo changed >in/page.txt; echo new >in/new.txt",
        keeps=(*KEPT, "changed\n", "new\n"),
    ),
    "commits-a-gitlink-and-fails": Act(f"mkdir in; (cd in; {INIT}); {COMMIT} 2>&1; exit 1", keeps=KEPT),
    "stages-a-gitlink": Act(f"mkdir in; (cd in; {INIT}); git add -A 2>&1", keeps=KEPT),
    "commits-a-gitlink-two-deep": Act(
        f"mkdir -p out/in; (cd out/in; {INIT}); (cd out; git init -q .; echo middle >m; {COMMIT} 2>&1);"
        f" echo deep >out/in/deep.txt; {COMMIT} 2>&1",
        keeps=(*KEPT, "middle\n", "deep\n"),
    ),
    "makes-a-bare-repository": Act(
        f'git init -q -b main "$SCRATCH/a"; (cd "$SCRATCH/a"; {INIT}); git clone -q --bare "$SCRATCH/a" a.git',
        keeps=KEPT,
    ),
    "keeps-its-git-directory-elsewhere": Act(
        f'git init -q -b main --separate-git-dir "$SCRATCH/in.git" in; cd in; {INIT.partition(";")[2]}',
        keeps=KEPT,
    ),
    "commits-a-gitlink-whose-git-directory-is-elsewhere": Act(
        f'git init -q --separate-git-dir "$SCRATCH/in.git" in; (cd in; {INIT.partition(";")[2]}); {COMMIT} 2>&1',
        keeps=KEPT,
    ),
    "adds-a-worktree-inside": Act(
        f"git worktree add -q --detach tree; cd tree; echo first >w.txt; {COMMIT}; echo second >w.txt",
        keeps=KEPT,
    ),
    "makes-a-repository-where-all-is-ignored": Act(
        f"mkdir -p build/in; cd build/in; {INIT}",
        before=f"echo build/ >>.gitignore; {COMMIT}",
        keeps=KEPT,
        modes=GOING,
    ),
    "makes-a-repository-of-a-tracked-folder": Act(
        f"cd src; git init -q -b main .; echo first >code.txt; {COMMIT}; echo second >code.txt; {COMMIT}",
        modes=GOING,
        keeps=KEPT,
    ),
    "clones-a-repository": Act(
        f'git init -q -b main "$SCRATCH/a"; (cd "$SCRATCH/a"; {INIT});'
        f' git clone -q "$SCRATCH/a" in; rm -r "$SCRATCH/a"; {COMMIT} 2>&1',
        keeps=KEPT,
    ),
    "clones-a-shallow-repository": Act(
        f'git init -q -b main "$SCRATCH/a"; (cd "$SCRATCH/a"; {INIT});'
        f' git clone -q --depth 1 "file://$SCRATCH/a" in; rm -r "$SCRATCH/a"; cd in; echo own >own.txt; {COMMIT};'
        f" git checkout -qb side; echo aside >side.txt; {COMMIT}; git checkout -q main; cd ..; {COMMIT} 2>&1",
        keeps=("second\n", "own\n", "aside\n"),
    ),
    "commits-in-a-submodule": Act(
        f"{INITIALISED}; echo first >page.txt; {COMMIT}; echo second >page.txt; {COMMIT}; cd ..; {COMMIT}",
        before=LIBRARY,
        keeps=KEPT,
    ),
    "commits-in-a-submodule-and-lets-pitboss-commit-outside": Act(
        f"{INITIALISED}; echo first >page.txt; {COMMIT}; echo second >page.txt; {COMMIT}; echo dirt >new.txt",
        before=LIBRARY,
        keeps=(*KEPT, "dirt\n"),
    ),
    "leaves-a-submodule-as-it-was-but-for-a-branch-and-a-stash": Act(
        f"{INITIALISED}; git checkout -qb side; echo first >page.txt; {COMMIT}; git checkout -q -;"
        f" echo second >lib.txt; {AGENT} stash -q",
        before=LIBRARY,
        modes=GOING,
        keeps=KEPT,
    ),
    "commits-in-a-submodule-and-fails": Act(
        f"{INITIALISED}; echo first >page.txt; {COMMIT}; echo second >page.txt; exit 1",
        before=LIBRARY,
        keeps=KEPT,
    ),
    "writes-in-a-submodule-that-is-not-there": Act(
        "mkdir -p lib/deep; echo first >lib/page.txt; echo second >lib/deep/page.txt",
        before=LIBRARY,
        keeps=KEPT,
    ),
    "writes-in-a-submodule-that-is-not-there-and-commits": Act(
        f"mkdir -p lib; echo first >lib/page.txt; {COMMIT}", before=LIBRARY, keeps=("first\n",)
    ),
    "writes-in-a-submodule-that-is-not-there-and-fails": Act(
        "mkdir -p lib; echo first >lib/page.txt; exit 1", before=LIBRARY, keeps=("first\n",)
    ),
    "makes-a-repository-in-a-submodule-that-is-not-there": Act(
        f"mkdir -p lib/in; echo loose >lib/loose.txt; cd lib/in; {INIT}",
        before=LIBRARY,
        keeps=(*KEPT, "loose\n"),
        modes=GOING,
    ),
    "adds-a-submodule": Act(
        f'git init -q -b main "$SCRATCH/a"; (cd "$SCRATCH/a"; {INIT});'
        f' git -c protocol.file.allow=always submodule --quiet add "$SCRATCH/a" a; {COMMIT}; rm -r "$SCRATCH/a"',
        keeps=KEPT,
        touches=("config",),
    ),
}
