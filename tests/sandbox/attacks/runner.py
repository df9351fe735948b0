"""What the runner does outside with what a session left: it must neither follow links nor run anything of it."""

from __future__ import annotations

from tests.sandbox.attack import SLOTS, Attack, Judged

_LEAKED = "grep -rqs SECRET $RUN $REPO/.pitboss/grind || git -C $REPO log --all --format=%B | grep -q SECRET"
_RAN = "[ -e $HOME/ran-{0} ]"
_KEPT = "the runner's git finds the hooks as they were when the run began, in a copy that no session sees"
_RUN_IT = "touch $HOME/ran-{0}"

ATTACKS = {
    "summary-link": Attack(
        "let the runner read a key for it, by a link as its summary",
        'rm -f "$PITBOSS_SUMMARY_FILE"; ln -s $HOME/.ssh/id_ed25519 "$PITBOSS_SUMMARY_FILE"',
        harm=_LEAKED,
        judged=Judged.AFTERWARDS,
        fault="cat $HOME/.ssh/id_ed25519 >$RUN/leaked",
        undo="rm -f $RUN/leaked",
        why="the runner follows no link there, and takes only a regular file of one name",
    ),
    "scratchpad-link": Attack(
        "let the runner read a key for it, by a link as its scratchpad",
        'rm -f "$PITBOSS_SCRATCHPAD"; ln -s $HOME/.ssh/id_ed25519 "$PITBOSS_SCRATCHPAD"',
        harm=_LEAKED,
        judged=Judged.AFTERWARDS,
        fault="cat $HOME/.ssh/id_ed25519 >$RUN/leaked",
        undo="rm -f $RUN/leaked",
        why="the runner follows no link there, and takes only a regular file of one name",
    ),
    "folder-link": Attack(
        "exchange the folder of its summary for a link",
        'own=${PITBOSS_SUMMARY_FILE%/*}; mv "$own" "$own.old" && ln -s $HOME/.ssh "$own"',
        harm=_LEAKED,
        judged=Judged.AFTERWARDS,
        fault="cat $HOME/.ssh/id_ed25519 >$RUN/leaked",
        undo="rm -f $RUN/leaked",
        why="what something is mounted on cannot be moved",
    ),
    "tests": Attack(
        "write into HOME from the tests that the runner starts after it",
        "echo 'touch $HOME/ran-tests; exit 0' >check.sh",
        harm=_RAN.format("tests"),
        judged=Judged.AFTERWARDS,
        why="tests run in the same sandbox",
    ),
    "after-session": Attack(
        "write into HOME from a script that a `post_session` hook calls",
        "echo 'touch $HOME/ran-after' >after.sh",
        harm=_RAN.format("after"),
        judged=Judged.AFTERWARDS,
        why="hooks run in the same sandbox",
    ),
    "tracked-hook": Attack(
        "write into HOME from a git hook that is tracked in the tree, when the runner commits",
        "printf '#!/bin/sh\\ntouch $HOME/ran-commit\\n' >tools/hooks/pre-commit",
        harm=_RAN.format("commit"),
        judged=Judged.AFTERWARDS,
        why="hooks in the tree are read-only",
    ),
    "hook-moved": Attack(
        "write into HOME from such a hook, by moving the folder around the hooks away and another into its place",
        "cp -r tools own-tools; hook=own-tools/hooks/prepare-commit-msg; "
        "printf '#!/bin/sh\\ntouch $HOME/ran-moved\\n' >$hook; chmod +x $hook; mv tools old-tools; mv own-tools tools",
        harm=_RAN.format("moved"),
        judged=Judged.AFTERWARDS,
        why=_KEPT,
    ),
    "hook-committed": Attack(
        "write into HOME from such a hook, by committing it for the session after it, or checking it out",
        "export GIT_INDEX_FILE=$MEET/own-index; git read-tree HEAD; "
        "hook=$(printf '#!/bin/sh\\ntouch $HOME/ran-committed\\n' | git hash-object -w --stdin); "
        "git update-index --add --cacheinfo 100755,$hook,tools/hooks/post-commit; tree=$(git write-tree); "
        "unset GIT_INDEX_FILE; git checkout -q $tree -- tools/hooks/post-commit; "
        "git update-ref HEAD $(git -c user.name=x -c user.email=x@x commit-tree -p HEAD -m x $tree)",
        harm=_RAN.format("committed"),
        judged=Judged.AFTERWARDS,
        why=_KEPT,
    ),
    "nested-repository": Attack(
        "have git run a program of its own, named by a repository inside the tree",
        "git init -q nested; git -C nested config core.fsmonitor 'touch $HOME/ran-nested #'; "
        "git -C nested -c user.name=x -c user.email=x@x commit -q --allow-empty -m x; git add nested",
        harm=_RAN.format("nested"),
        judged=Judged.AFTERWARDS,
        fault=_RUN_IT.format("nested"),
        why="git is told to run no monitor, and not to enter nested repositories",
    ),
    "own-git-folder": Attack(
        "have git run a program of its own, by a `.git` file that leads to another folder",
        "git init -q own; git -C own config core.fsmonitor 'touch $HOME/ran-gitfile #'; "
        'echo "gitdir: $PWD/own/.git" >.git',
        harm=_RAN.format("gitfile"),
        judged=Judged.AFTERWARDS,
        modes=(SLOTS,),
        fault=_RUN_IT.format("gitfile"),
        why="the runner names git's folder itself",
    ),
    "own-commondir": Attack(
        "have git run a program of its own, by `commondir` of the session's own working copy",
        "git init -q common; git -C common config core.fsmonitor 'touch $HOME/ran-commondir #'; "
        'echo $PWD/common/.git >"$(git rev-parse --absolute-git-dir)/commondir"',
        harm=_RAN.format("commondir"),
        judged=Judged.AFTERWARDS,
        modes=(SLOTS,),
        fault=_RUN_IT.format("commondir"),
        why="it is compared before and after the session, and put back",
    ),
    "own-config": Attack(
        "have git run a program of its own, by `config.worktree` of the session's own working copy",
        'echo "[core]fsmonitor=touch $HOME/ran-config #" >"$(git rev-parse --absolute-git-dir)/config.worktree"',
        harm=_RAN.format("config"),
        judged=Judged.AFTERWARDS,
        fault=_RUN_IT.format("config"),
        why="it is compared before and after the session, and put back",
    ),
    "copied-file": Attack(
        "have the runner write where a link leads, when it copies `.env` into the working copy of the next session",
        "rm -rf .env conf; ln -s $HOME/ran-copy .env; ln -s $HOME conf",
        harm="[ -e $HOME/ran-copy ] || [ -e $HOME/local.env ]",
        judged=Judged.AFTERWARDS,
        modes=(SLOTS,),
        fault="touch $HOME/ran-copy",
        why="the runner follows no link when it copies",
    ),
}
