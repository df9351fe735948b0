"""What makes git fail: broken files, locks, hooks and filters that say no, people at work at the same moment."""

from __future__ import annotations

from tests.hostile.act import COMMIT, IN_PLACE, PARALLEL, WORKTREE, Act

_REFUSES_ONCE = """
printf '#!/bin/sh\\n[ "$1" != prepared ] || ! rm "%s" 2>/dev/null\\n' "$SCRATCH/refuse" \
  >.git/hooks/reference-transaction
chmod +x .git/hooks/reference-transaction
"""
_NO_PROGRAM = """
git config filter.big.required true
git config filter.big.clean "no-such-program clean"
git config filter.big.smudge "no-such-program smudge"
echo "*.bin filter=big" >.gitattributes
git add -A
git commit -qm attributes
"""
_PERSON = """for n in $(seq 150); do
  head=$(git rev-parse HEAD) && new=$(git commit-tree -p "$head" -m person "$head^{tree}") &&
    git update-ref -m person HEAD "$new" "$head" 2>/dev/null
done"""
_AWAY = 'mv "$REPO/.git" "$SCRATCH/moved"'
_COPIED = """until cp -a "$REPO/.git/." "$SCRATCH/moved"; do :; done
until rm -rf "$REPO/.git"; do :; done"""
"""As `mv` does between disks, even if the run writes there at that moment."""
_NEIGHBOURS_GIT = """for n in $(seq 20); do
  git --git-dir="$REPO/.git" update-ref refs/pitboss/theirs HEAD 2>/dev/null
  mkdir -p "$REPO/.git/refs/heads" "$REPO/.git/logs/refs" "$REPO/.git/objects/ab"
done;"""
_BRANCH = '"$REPO/.git/refs/heads/pitboss/grind/$PITBOSS_RUN_ID'
_OWN_REF = '"refs/heads/pitboss/grind/$PITBOSS_RUN_ID"'
_OWN = 'cd "$(git rev-parse --git-dir)"'
_OBJECT = 'o=$(git rev-parse {}); f="$REPO/.git/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-)"'
_NO_COMMIT = "o=$(echo garbage | git hash-object -t commit -w --stdin --literally)"
_TWO = f"echo one >one.txt; {COMMIT}; echo two >two.txt"
_BOTH = ("one\n", "two\n")
_NEW_TEXT = """mkdir deep
echo 'new text' >'deep/a "new" one.txt'
ln -s act.txt link.txt
echo 'changed text' >src/code.txt
git rm -q README.md
"""
_ENCODINGS = {
    "without-its-mark": "*.txt working-tree-encoding=UTF-16",
    "nobody-knows": "*.txt working-tree-encoding=NOSUCH",
    "of-all-files": "* working-tree-encoding=UTF-32",
    "senseless": "*.txt working-tree-encoding",
    "senseless-of-all-files": "* working-tree-encoding",
    "ident-and-no-filter": "* ident filter=missing diff=missing merge=missing",
}
_GONE = ("config", "hooks", "branches", "stash", "head", "index")

ACTS = {
    "its-commit-gone": Act(f"{_TWO}; {_OBJECT.format('HEAD')}; rm -f $f", keeps=_BOTH, ends=("ok",)),
    "its-commit-gone-and-fails": Act(f"{_TWO}; {_OBJECT.format('HEAD')}; rm -f $f; exit 1", keeps=_BOTH),
    "its-commit-empty": Act(
        f"{_TWO}; {_OBJECT.format('HEAD')}; chmod u+w $f; : >$f", keeps=_BOTH, ends=("ok",)
    ),
    "its-tree-gone": Act(f"{_TWO}; {_OBJECT.format('HEAD^{{tree}}')}; rm -f $f", keeps=_BOTH),
    "its-second-commit-gone": Act(
        f"{_TWO}; {COMMIT}; echo three >three.txt; {_OBJECT.format('HEAD')}; rm -f $f",
        keeps=(*_BOTH, "three\n"),
    ),
    **{
        f"{what}-of-its-commit-{how}{end and '-and-fails'}": Act(
            f"mkdir deep; echo three >deep/three.txt; {_TWO}; {COMMIT}; echo more >more.txt;"
            f" {_OBJECT.format(name)}; {do}; {end}",
            keeps=(*_BOTH, "three\n", "more\n"),
            ends=() if end else ("ok",),
        )
        for what, name in (
            ("a-file", "HEAD:two.txt"),
            ("an-older-file", "HEAD:one.txt"),
            ("a-folder", "HEAD:deep"),
        )
        for how, do in (
            ("gone", "rm -f $f"),
            ("empty", "chmod u+w $f; : >$f"),
            ("garbage", "chmod u+w $f; echo garbage >$f"),
        )
        for end in ("", "exit 1")
    },
    "a-file-that-it-committed-and-changed-again-gone": Act(
        f"{_TWO}; {COMMIT}; {_OBJECT.format('HEAD:two.txt')}; rm -f $f; echo other >two.txt",
        keeps=("one\n", "other\n"),
        ends=("dirty: head_moved: commits that are no longer on the run branch",),
    ),
    "its-commit-is-none": Act(
        f'{_NO_COMMIT}; echo $o >"$REPO/.git/$(git symbolic-ref HEAD)"; echo one >one.txt',
        keeps=("one\n",),
        ends=("ok",),
    ),
    "head-on-no-commit": Act(
        f'{_TWO}; {_NO_COMMIT}; echo $o >"$(git rev-parse --git-dir)/HEAD"', keeps=_BOTH, ends=("ok",)
    ),
    "what-it-staged-gone": Act(
        f"echo one >one.txt; git add -A; {_OBJECT.format(':one.txt')}; rm -f $f",
        keeps=("one\n",),
        ends=("ok",),
    ),
    "what-it-staged-gone-and-fails": Act(
        f"echo one >one.txt; git add -A; {_OBJECT.format(':one.txt')}; rm -f $f; exit 1", keeps=("one\n",)
    ),
    "names-that-git-refuses": Act(
        "mkdir .GIT; echo one >.GIT/x; echo two >git~1; ln -s README.md .gitmodules; echo kept >kept.txt",
        keeps=("kept\n", "one\n", "two\n"),
        ends=("error: git_failed: git add failed: invalid path",),
    ),
    "names-that-git-refuses-and-fails": Act(
        "mkdir -p src/.Git; echo one >src/.Git/config; echo kept >kept.txt; exit 1", keeps=("kept\n", "one\n")
    ),
    "head-of-garbage": Act('echo garbage >"$(git rev-parse --git-dir)/HEAD"'),
    "head-of-the-user-of-garbage": Act('echo garbage >"$REPO/.git/HEAD"'),
    **{
        f"{name}-of-its-own-that-no-memory-holds": Act(
            f'cd "$(git rev-parse --git-dir)"; mkdir -p info; truncate -s 1T {file}'
        )
        for name, file in (
            ("head", "HEAD"),
            ("log", "logs/HEAD"),
            ("ignore-rules", "info/exclude"),
            ("common-directory", "commondir"),
            ("merge", "MERGE_HEAD"),
        )
    },
    "head-that-no-memory-holds": Act('truncate -s 1T "$REPO/.git/HEAD"', modes=(IN_PLACE,)),
    "index-of-the-user-of-garbage": Act('echo garbage >"$REPO/.git/index"', modes=("in-place", PARALLEL)),
    "lock-of-all-refs": Act('touch "$REPO/.git/packed-refs.lock"', ends=("ok",)),
    "lock-of-the-run-branch": Act(f'touch {_BRANCH}.lock"', ends=("ok",)),
    "lock-of-its-branch": Act('touch "$REPO/.git/$(git symbolic-ref HEAD).lock"', ends=("ok",)),
    "locks-everywhere": Act(
        'cd "$REPO/.git"; touch HEAD.lock index.lock config.lock packed-refs.lock', ends=("ok",)
    ),
    **{
        f"{what}-for-locks": Act(
            f'(cd "$REPO/.git"; for each in index HEAD packed-refs {_OWN_REF}; do {make}; done);'
            f" {_OWN}; for each in index HEAD; do {make}; done",
            ends=("ok",),
        )
        for what, make in (
            ("folders", "mkdir -p $each.lock || true"),  # a git at work may hold that lock
            ("full-folders", "mkdir -p $each.lock/in || true"),
            ("links-without-an-end", "ln -sfn /nowhere $each.lock"),
            ("pipes", "mkfifo -m 600 $each.lock || true"),
        )
    },
    "run-branch-of-garbage": Act(f'echo garbage >{_BRANCH}"'),
    "git-directory-moved": Act(
        'mv "$REPO/.git" "$SCRATCH/moved"; echo "gitdir: $SCRATCH/moved" >"$REPO/.git"', told="moved back"
    ),
    "git-directory-linked": Act(
        'mv "$REPO/.git" "$SCRATCH/moved"; ln -s "$SCRATCH/moved" "$REPO/.git"', told="moved back"
    ),
    "git-directory-linked-inside-a-stub": Act(
        f'{_AWAY}; mkdir -p "$REPO/.git/refs/heads"; ln -s "$SCRATCH/moved" "$REPO/.git"', told="moved back"
    ),
    "git-directory-linked-while-others-work": Act(
        f'{_AWAY}; {_NEIGHBOURS_GIT} ln -s "$SCRATCH/moved" "$REPO/.git"', told="moved back"
    ),
    "git-directory-moved-to-and-fro": Act(
        'for n in $(seq 40); do mv -T "$REPO/.git" "$REPO/.git-x"; sleep 0.01; mv -T "$REPO/.git-x" "$REPO/.git";'
        " sleep 0.02; done 2>&1"
    ),
    "git-directory-moved-away": Act(_AWAY, told="moved back"),
    "git-directory-renamed": Act('mv "$REPO/.git" "$REPO/.git-old"', told="moved back"),
    "git-directory-moved-into-the-tree": Act('mv "$REPO/.git" "$REPO/src/history"', told="moved back"),
    "git-directory-moved-into-its-tree": Act('mv "$REPO/.git" history', told="moved back"),
    "git-directory-inside-a-stub": Act(
        f'{_AWAY}; mkdir "$REPO/.git"; mv "$SCRATCH/moved" "$REPO/.git/real"', told="moved back"
    ),
    "git-directory-swapped-for-a-new-one": Act(
        f'{_AWAY}; cd "$REPO"; git init -q --template= -b main; echo "only committed" >only.txt;'
        f" {COMMIT}; git rm -q only.txt",
        keeps=("only committed\n",),
        told="moved back",
        modes=("in-place", WORKTREE),  # a neighbour would move it back first
    ),
    "git-directory-copied-elsewhere": Act(
        f'{_COPIED}; ln -s "$SCRATCH/moved" "$REPO/.git"',
        told="moved back",
        modes=("in-place", WORKTREE),
    ),
    "git-directory-replaced-by-a-copy": Act(
        f'{_COPIED}; mv "$SCRATCH/moved" "$REPO/.git"',
        told="replaced by a copy",
        modes=("in-place", WORKTREE),
    ),
    "git-directory-of-somebody-else": Act(
        f'{_AWAY}; echo "gitdir: $BESIDE/other/.git" >"$REPO/.git"', told="moved back"
    ),
    "git-directory-removed": Act('rm -rf "$REPO/.git"', codes=(1, 70), goes_on=False, touches=_GONE),
    "a-file-for-a-git-directory": Act(
        'rm -rf "$REPO/.git"; echo x >"$REPO/.git"', codes=(1, 70), goes_on=False, touches=_GONE
    ),
    "hook-of-the-user-refuses": Act(
        'touch "$SCRATCH/refuse"',
        before=_REFUSES_ONCE,
        ends=("error: git_failed",),
        codes=(1,),
        modes=("in-place", WORKTREE),
    ),
    "filter-without-its-program": Act(
        "echo 'big work' >x.bin",
        before=_NO_PROGRAM,
        keeps=("big work",),
        ends=("error: git_failed",),
        codes=(1,),
    ),
    **{
        f"encoding-of-text-{name}": Act(
            f"{_NEW_TEXT}echo '{rule}' >.gitattributes",
            keeps=("new text\n", "changed text\n"),
            codes=(0, 1),
        )
        for name, rule in _ENCODINGS.items()
    },
    "pipes-for-attributes": Act("mkfifo .gitattributes", ends=("ok",)),
    "pipes-for-ignore-rules": Act("rm -f .gitignore; mkfifo .gitignore .gitmodules"),
    "encoding-of-what-it-hides": Act(
        "echo '*.txt working-tree-encoding=UTF-16' >.gitattributes; echo 'hidden.txt' >.gitignore;"
        " echo 'hidden text' >hidden.txt; exit 1",
        keeps=("hidden text\n",),
    ),
    "encoding-beside-the-tree": Act(
        "echo '* working-tree-encoding=UTF-16' >\"$(git rev-parse --git-path info/attributes)\"",
    ),
    "senseless-encoding-beside-the-tree": Act(
        "echo '* working-tree-encoding' >\"$(git rev-parse --git-path info/attributes)\"",
    ),
    "encoding-in-a-repository-inside": Act(
        f"mkdir in; cd in; git init -q -b main .; echo inner >inner.txt; {COMMIT};"
        " echo '*.txt working-tree-encoding=UTF-16' >.gitattributes; echo 'more inside' >inner.txt",
        keeps=("more inside\n",),
    ),
    "person-who-commits-all-the-time": Act(
        "true",
        before=f"cat >person <<'END'\n{_PERSON}\nEND\nmv person \"$SCRATCH\"",
        grind="hooks = { pre_session = 'setsid sh ../scratch/person >/dev/null 2>&1 &' }",
        modes=("in-place",),
    ),
    "link-for-head-log": Act(
        # Beside a neighbour that lands at that moment git may write there: see docs/explain/durability.md.
        'cd "$REPO/.git/logs"; cp HEAD "$SCRATCH"; ln -sf "$BESIDE/precious" HEAD',
        told="was removed",
        modes=("in-place", WORKTREE),
    ),
    "link-for-commit-message": Act(
        'cd "$REPO/.git"; ln -sf "$BESIDE/precious" COMMIT_EDITMSG', told="was removed"
    ),
    "link-for-index": Act(f'{_OWN}; mv index "$SCRATCH"; ln -s "$BESIDE/precious" index'),
    "link-for-index-that-is-one": Act(
        f'{_OWN}; cp index "$BESIDE/index"; rm index; ln -s "$BESIDE/index" index', touches=("beside",)
    ),
    "link-for-objects": Act('cd "$REPO/.git"; mv objects "$SCRATCH"; ln -s "$SCRATCH/objects" objects'),
    # Without refs or objects for a moment: a neighbor that ends then may fare badly, see docs/explain/durability.md.
    "link-for-refs": Act(
        'cd "$REPO/.git"; mv refs "$SCRATCH"; ln -s "$SCRATCH/refs" refs', modes=(IN_PLACE, WORKTREE)
    ),
    "link-for-logs": Act(
        'cd "$REPO/.git"; mv logs "$SCRATCH"; ln -s "$SCRATCH/logs" logs', touches=("stash",)
    ),
    "link-for-objects-in-new-ones": Act(
        'cd "$REPO/.git"; mv objects "$SCRATCH"; mkdir -p objects/pack; ln -s "$SCRATCH/objects" objects',
        told="moved back",
        modes=(IN_PLACE, WORKTREE),
    ),
    "link-for-refs-in-new-ones": Act(
        'cd "$REPO/.git"; mv refs "$SCRATCH"; mkdir -p refs/heads; ln -s "$SCRATCH/refs" refs',
        told="moved back",
        modes=(IN_PLACE, WORKTREE),
    ),
    "link-for-logs-in-new-ones": Act(
        'cd "$REPO/.git"; mv logs "$SCRATCH"; mkdir -p logs/refs; ln -s "$SCRATCH/logs" logs',
        told="moved back",
    ),
    "pipe-for-the-index": Act(
        'git="$(git rev-parse --git-path index)"; rm -f "$git"; mkfifo "$git"', ends=("ok",)
    ),
    "pipe-for-packed-refs": Act('cd "$REPO/.git"; test -e packed-refs || mkfifo packed-refs'),
    "pipe-for-shallow": Act('mkfifo "$REPO/.git/shallow"', told="shallow was a pipe"),
    "pipe-for-info-exclude": Act(
        'cd "$REPO/.git/info"; rm -f exclude; mkfifo exclude', told="exclude was a pipe"
    ),
    "pipe-for-info-attributes": Act('cd "$REPO/.git/info"; rm -f attributes; mkfifo attributes'),
    "pipe-for-alternates": Act('mkfifo "$REPO/.git/objects/info/alternates"', told="alternates was a pipe"),
    "folder-for-packed-refs": Act(
        'cd "$REPO/.git"; test -e packed-refs || mkdir -p packed-refs/x', told="packed-refs was no file"
    ),
    "folder-for-info-exclude": Act(
        'cd "$REPO/.git/info"; rm -f exclude; mkdir -p exclude/x', told="exclude was no file"
    ),
    "folder-for-the-index": Act('git="$(git rev-parse --git-path index)"; rm -f "$git"; mkdir -p "$git/x"'),
    "folder-for-the-log-of-head": Act('cd "$REPO/.git"; rm -f logs/HEAD; mkdir -p logs/HEAD/x'),
    "folder-for-commit-message": Act('cd "$REPO/.git"; rm -f COMMIT_EDITMSG; mkdir -p COMMIT_EDITMSG/x'),
    "file-for-logs": Act(
        'cd "$REPO/.git"; rm -rf logs; touch logs', told="logs was no folder", touches=("stash",)
    ),
    "packed-refs-are-garbage": Act(
        'cd "$REPO/.git"; echo garbage >packed-refs',
        before="git pack-refs --all",
        told="packed-refs was no such list",
    ),
    "packed-refs-are-gone": Act(
        'rm -f "$REPO/.git/packed-refs"', before="git pack-refs --all", told="packed-refs was no such list"
    ),
    "shallow-is-garbage": Act('echo garbage >"$REPO/.git/shallow"', told="shallow was no such list"),
    "link-for-packed-refs": Act('cd "$REPO/.git"; ln -s "$BESIDE/precious" packed-refs'),
    "git-file-leads-elsewhere": Act(
        'rm .git; echo "gitdir: $BESIDE/other/.git" >.git', modes=(WORKTREE, PARALLEL)
    ),
    "common-directory-elsewhere": Act('echo "$BESIDE/other/.git" >"$(git rev-parse --git-dir)/commondir"'),
}
