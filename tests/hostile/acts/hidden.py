"""Files that an agent hides from git by rules of its own making (SPEC 1.2)."""

from __future__ import annotations

from tests.hostile.act import AGENT, COMMIT, PARALLEL, WORKTREE, Act

OUT = "mkdir -p out/deep; echo hidden >out/deep/file.txt; echo more >out/a.txt"
KEPT = ("hidden\n", "more\n")
OK = ("ok",)

ACTS = {
    "by-a-new-line": Act(f"echo out/ >>.gitignore; {OUT}", keeps=KEPT, ends=OK),
    "by-a-new-line-and-fails": Act(f"echo out/ >>.gitignore; {OUT}; exit 1", keeps=KEPT),
    "by-a-new-line-of-its-own-commit": Act(f"echo out/ >>.gitignore; {COMMIT}; {OUT}", keeps=KEPT, ends=OK),
    "by-rules-deep-in-the-tree": Act(
        f"mkdir -p a/b; echo '*.txt' >a/b/.gitignore; cd a/b; {OUT}", keeps=KEPT, ends=OK
    ),
    "by-rules-that-hide-themselves": Act(f"mkdir a; cd a; echo '*' >.gitignore; {OUT}", keeps=KEPT, ends=OK),
    "by-info-exclude": Act(
        f'echo out/ >>"$(git rev-parse --git-path info/exclude)"; {OUT}', keeps=KEPT, ends=OK
    ),
    "by-info-exclude-and-fails": Act(
        f'echo out/ >>"$(git rev-parse --git-path info/exclude)"; {OUT}; exit 1', keeps=KEPT
    ),
    "by-a-file-of-its-own": Act(
        f'echo out/ >"$SCRATCH/rules"; git config core.excludesFile "$SCRATCH/rules"; {OUT}',
        keeps=KEPT,
        touches=("config",),
        ends=OK,
    ),
    "what-git-knew": Act(
        f"git rm -q --cached src/code.txt; echo code.txt >src/.gitignore; echo hidden >src/code.txt; {OUT}",
        keeps=KEPT,
    ),
    "what-git-knew-and-fails": Act(
        "git rm -q --cached src/code.txt; echo code.txt >src/.gitignore; echo hidden >src/code.txt; exit 1",
        keeps=("hidden\n",),
    ),
    "what-git-knew-by-an-old-rule": Act(
        f"git rm -q --cached a.log; {AGENT} commit -qm gone; echo hidden >a.log; exit 1",
        before=f"echo '*.log' >.gitignore; echo .pitboss/ >>.gitignore; echo log >a.log; git add -f a.log; {COMMIT}",
        keeps=("hidden\n",),
    ),
    "more-than-git-should-hold": Act(
        f"echo out/ >>.gitignore; {OUT}; head -c 3000000 /dev/zero >out/big",
        grind="rescue_ignored_mb = 1",
        keeps=KEPT,
        ends=OK,
    ),
    "more-than-git-should-hold-and-fails": Act(
        f"echo out/ >>.gitignore; {OUT}; head -c 3000000 /dev/zero >out/big; exit 1",
        grind="rescue_ignored_mb = 1",
        keeps=KEPT,
    ),
    "and-everything-is-cleaned": Act(
        f"echo out/ >>.gitignore; {OUT}", more='[grind.worktree]\nclean = "all"', keeps=KEPT, ends=OK
    ),
    "odd-things": Act(
        'echo odd/ >>.gitignore; mkdir odd; cd odd; printf "hidden\\n" >"new\nline"; mkfifo pipe; ln -s /etc link;'
        ' printf "more\\n" >"$(printf "l\\351tin")"; echo locked >no; chmod 0 no;'
        " mkdir shut; echo in >shut/x; chmod 0 shut",
        keeps=KEPT,
        ends=OK,
    ),
    "a-repository": Act(
        f"echo in/ >>.gitignore; mkdir in; cd in; git init -q .; echo hidden >x; {COMMIT}; echo more >x",
        modes=(PARALLEL, WORKTREE),  # in the user's tree it stays where it is
        keeps=KEPT,
    ),
}
