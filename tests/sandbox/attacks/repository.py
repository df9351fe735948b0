"""The repository's git directory: branches, hooks, settings, objects."""

from __future__ import annotations

from tests.sandbox.attack import IN_PLACE, SLOTS, Attack, Judged

_REFS = "of `refs` only the folder of the session's own branch is writable"
_MOUNTED = "it is mounted read-only"
_PUT_BACK = "it is compared before and after the session, and put back"
_BACK = "git -C $REPO update-ref {0} $OTHER"
_AT = '[ "$(git -C $REPO rev-parse -q --verify {0})" != $OTHER ]'

ATTACKS = {
    "branch-moved": Attack(
        "move another branch of the user's",
        "git update-ref refs/heads/other $FIRST",
        harm=_AT.format("refs/heads/other"),
        undo=_BACK.format("refs/heads/other"),
        why=_REFS,
    ),
    "branch-deleted": Attack(
        "delete another branch",
        "git update-ref -d refs/heads/other; rm -f $REPO/.git/refs/heads/other",
        harm=_AT.format("refs/heads/other"),
        undo=_BACK.format("refs/heads/other"),
        why=_REFS,
    ),
    "main-moved": Attack(
        "move the branch that the run began on",
        "git update-ref refs/heads/main $FIRST",
        harm='[ "$(git -C $REPO rev-parse main)" != $MAIN ]',
        undo="git -C $REPO update-ref refs/heads/main $MAIN",
        why=_REFS,
    ),
    "branch-made": Attack(
        "make a branch",
        "git branch planted",
        harm="git -C $REPO rev-parse -q --verify refs/heads/planted",
        undo="git -C $REPO update-ref -d refs/heads/planted",
        why=_REFS,
    ),
    "tag": Attack(
        "make a tag, as for a release",
        "git tag v9.9.9",
        harm="git -C $REPO rev-parse -q --verify refs/tags/v9.9.9",
        undo="git -C $REPO update-ref -d refs/tags/v9.9.9",
        why=_REFS,
    ),
    "stash": Attack(
        "drop the user's stash",
        "git stash drop -q; rm -f $REPO/.git/refs/stash",
        harm="! git -C $REPO rev-parse -q --verify refs/stash",
        undo="git -C $REPO update-ref --create-reflog refs/stash $STASH",
        why=_REFS,
    ),
    "rescue": Attack(
        "remove what another session's work was rescued to",
        "git update-ref -d refs/pitboss/rescue/old",
        harm=_AT.format("refs/pitboss/rescue/old"),
        undo=_BACK.format("refs/pitboss/rescue/old"),
        why=_REFS,
    ),
    "other-run": Attack(
        "move the branch of another run",
        "git update-ref refs/heads/pitboss/grind/old-run $FIRST",
        harm=_AT.format("refs/heads/pitboss/grind/old-run"),
        judged=Judged.AFTERWARDS,
        undo=_BACK.format("refs/heads/pitboss/grind/old-run"),
        fault="git -C $REPO update-ref refs/heads/pitboss/grind/old-run $FIRST",
        why="branches beside the session's own are mounted read-only",
    ),
    "packed": Attack(
        "forge a branch in `packed-refs`",
        'echo "$(git rev-parse HEAD) refs/heads/forged" >>$REPO/.git/packed-refs',
        harm="git -C $REPO rev-parse -q --verify refs/heads/forged",
        judged=Judged.AFTERWARDS,
        undo="rm -f $REPO/.git/packed-refs",
        fault='echo "$(git -C $REPO rev-parse HEAD) refs/heads/forged" >>$REPO/.git/packed-refs',
        why="in place, refs that no git has packed are taken out of it again; in slots git's folder is read-only",
    ),
    "hook": Attack(
        "plant a hook, which the user's next commit runs",
        "printf '#!/bin/sh\\n' >$REPO/.git/hooks/post-commit; chmod +x $REPO/.git/hooks/post-commit",
        harm="[ -e $REPO/.git/hooks/post-commit ]",
        undo="rm -f $REPO/.git/hooks/post-commit",
        why=_MOUNTED,
    ),
    "hooks-folder": Attack(
        "exchange the folder of hooks for one of its own",
        "mkdir -p own-hooks && mv $REPO/.git/hooks $REPO/.git/hooks.old && mv own-hooks $REPO/.git/hooks",
        harm="[ -e $REPO/.git/hooks.old ]",
        undo="rm -rf $REPO/.git/hooks; mv $REPO/.git/hooks.old $REPO/.git/hooks",
        why="what something is mounted on cannot be moved",
    ),
    "config": Attack(
        "set `core.fsmonitor`, a program that git runs at every status",
        "git config core.fsmonitor 'touch /elsewhere'; echo '[core]fsmonitor=elsewhere' >>$REPO/.git/config",
        harm="grep -q elsewhere $REPO/.git/config",
        undo="git -C $REPO config --unset-all core.fsmonitor",
        why=_MOUNTED,
    ),
    "config-replaced": Attack(
        "replace git's configuration by renaming another file over it",
        "cp $REPO/.git/config $REPO/.git/objects/x; echo '[include]path=elsewhere' >>$REPO/.git/objects/x; "
        "mv -f $REPO/.git/objects/x $REPO/.git/config",
        harm="grep -q elsewhere $REPO/.git/config",
        undo="git -C $REPO config --unset-all include.path",
        why="what something is mounted on cannot be replaced",
    ),
    "config-worktree": Attack(
        "set `core.hooksPath` in `config.worktree`, where the user has allowed that file",
        "echo '[core]hooksPath=/elsewhere' >$REPO/.git/config.worktree",
        harm="[ -e $REPO/.git/config.worktree ]",
        judged=Judged.AFTERWARDS,
        undo="rm -f $REPO/.git/config.worktree",
        fault="echo '[core]hooksPath=/elsewhere' >$REPO/.git/config.worktree",
        why=_PUT_BACK,
    ),
    "exclude": Attack(
        "hide files from git by `info/exclude`, or filter them by `info/attributes`",
        "echo '*.py' >>$REPO/.git/info/exclude; echo '* filter=x' >$REPO/.git/info/attributes",
        harm="[ -e $REPO/.git/info/attributes ] || grep -q py $REPO/.git/info/exclude",
        undo="rm -f $REPO/.git/info/attributes; : >$REPO/.git/info/exclude",
        why=_MOUNTED,
    ),
    "index": Attack(
        "remove the index of the user's checkout",
        "rm -f $REPO/.git/index",
        harm="[ ! -e $REPO/.git/index ]",
        undo="git -C $REPO reset -q",
        modes=(SLOTS,),
        why="in slots, of git's folder only the session's own, `objects` and its branch's folder are writable",
    ),
    "other-copy": Attack(
        "damage the git folder of another working copy",
        "echo x >$REPO/.git/worktrees/linked/locked",
        harm="[ -e $REPO/.git/worktrees/linked/locked ]",
        undo="rm -f $REPO/.git/worktrees/linked/locked",
        why="the folders of other working copies are read-only",
    ),
    "alternates": Attack(
        "lend git objects from a folder of its own, by `objects/info/alternates`",
        "mkdir -p $REPO/.git/objects/info; echo $PWD/own-objects >$REPO/.git/objects/info/alternates",
        harm="[ -e $REPO/.git/objects/info/alternates ]",
        judged=Judged.AFTERWARDS,
        undo="rm -f $REPO/.git/objects/info/alternates",
        fault="echo /elsewhere >$REPO/.git/objects/info/alternates",
        why="`objects/info` is read-only",
    ),
    "objects-removed": Attack(
        "remove an object of the user's history",
        "chmod u+w $REPO/.git/objects/$BLOB; rm -f $REPO/.git/objects/$BLOB",
        harm="[ ! -e $REPO/.git/objects/$BLOB ]",
        undo="cp $SCENE/blob $REPO/.git/objects/$BLOB",
        stopped=False,
        why="git writes a commit's objects there. Push, or keep a second clone, if that matters to you",
    ),
    "commondir": Attack(
        "send git to a folder of its own, by `commondir`",
        "echo $PWD/own-git >$REPO/.git/commondir",
        harm="[ -e $REPO/.git/commondir ]",
        judged=Judged.AFTERWARDS,
        undo="rm -f $REPO/.git/commondir",
        modes=(IN_PLACE,),
        fault="echo /elsewhere >$REPO/.git/commondir",
        why=_PUT_BACK,
    ),
}
