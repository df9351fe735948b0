"""What agents do to the repository's git directory."""

from __future__ import annotations

from tests.hostile.act import AGENT, COMMIT, IN_PLACE, WORKTREE, Act

RUN = "pitboss/grind/$PITBOSS_RUN_ID"
_LATER_SESSIONS = "for n in 2 3 4; do git symbolic-ref refs/heads/{0}-session-000$n refs/heads/{1}; done"
_RESCUE = "for n in 1 2 3; do git symbolic-ref refs/pitboss/rescue/$PITBOSS_RUN_ID/session-000$n refs/heads/{0}; done"
_SPLIT = "git config core.splitIndex true; git update-index --split-index"
_REST_OF_INDEX = '"$(git rev-parse --git-dir)"/sharedindex.*'
_MORE = "echo more >README.md"
_FEATURE = "git switch -qc feature; echo feature >f.txt; git add f.txt; git commit -qm f; git switch -q main"

ACTS = {
    **{
        f"makes-{whose}-stand-for-{what}-branch{end and '-and-fails'}": Act(
            f"git symbolic-ref {ref} refs/heads/{branch}; {_MORE}; {end}", keeps=("more\n",)
        )
        for whose, ref in (
            ("its-branch", "$(git symbolic-ref HEAD)"),
            ("the-run-branch", f"refs/heads/{RUN}"),
        )
        for what, branch in (("the-users", "main"), ("another", "other"), ("no", "nothing"))
        for end in ("", "exit 1")
    },
    **{
        f"makes-later-branches-stand-for-{what}-branch": Act(
            _LATER_SESSIONS.format(RUN, branch),
            modes=(IN_PLACE, WORKTREE),  # beside a neighbour, it is at work on one of them
        )
        for what, branch in (("the-users", "main"), ("another", "other"), ("no", "nothing"))
    },
    **{
        f"makes-rescue-refs-stand-for-{what}-branch-and-fails": Act(
            f"{_RESCUE.format(branch)}; {_MORE}; exit 1", keeps=("more\n",)
        )
        for what, branch in (("another", "other"), ("no", "nothing"))
    },
    "replaces-its-commit-by-itself": Act(f"git replace HEAD HEAD; {_MORE}", keeps=("more\n",), ends=("ok",)),
    "replaces-its-commit-by-itself-and-fails": Act(
        f"{_MORE}; {COMMIT}; git replace HEAD HEAD; exit 1", keeps=("more\n",)
    ),
    "replaces-its-commit-by-an-empty-one": Act(
        f"git replace HEAD $({AGENT} commit-tree -m empty $(git mktree </dev/null)); {_MORE}",
        keeps=("more\n",),
        ends=("ok",),
    ),
    "takes-the-parents-of-its-commit": Act(
        f"{_MORE}; {COMMIT}; git replace --graft HEAD", keeps=("more\n",), ends=("ok",)
    ),
    "replaces-what-a-file-holds": Act(
        f"{_MORE}; git replace $(git hash-object -w README.md) $(echo other | git hash-object -w --stdin)",
        keeps=("more\n",),
        ends=("ok",),
    ),
    "loses-half-of-its-index": Act(
        f"git update-index --split-index; {_MORE}; rm {_REST_OF_INDEX}", keeps=("more\n",), ends=("ok",)
    ),
    "loses-half-of-the-users-kind-of-index": Act(
        f"{_MORE}; rm -f {_REST_OF_INDEX}", before=_SPLIT, keeps=("more\n",), ends=("ok",)
    ),
    "breaks-half-of-the-users-kind-of-index-and-fails": Act(
        f'{_MORE}; for f in {_REST_OF_INDEX}; do echo garbage >"$f"; done; exit 1',
        before=_SPLIT,
        keeps=("more\n",),
    ),
    "has-git-overlook-its-work": Act(
        "git update-index --assume-unchanged README.md; git update-index --skip-worktree src/code.txt;"
        " echo more >>README.md; echo changed >src/code.txt",
        keeps=("more\n", "changed\n"),
        ends=("ok",),
    ),
    "has-git-overlook-its-work-and-fails": Act(
        "git update-index --assume-unchanged README.md; echo more >>README.md; exit 1", keeps=("more\n",)
    ),
    "breaks-its-index": Act("echo garbage >$(git rev-parse --git-dir)/index", ends=("ok",)),
    "commits-by-itself": Act(COMMIT, ends=("ok",)),
    "deletes-its-branch": Act("git update-ref -d $(git symbolic-ref HEAD)", ends=("dirty: head_moved",)),
    "fails": Act("exit 3", ends=("error: exit_code: 3",)),
    "leaves-locks": Act("cd $(git rev-parse --git-dir); touch index.lock HEAD.lock", ends=("ok",)),
    "makes-a-branch": Act(
        f"git checkout -q -b mine; {COMMIT}", touches=("branches",), ends=("dirty: head_moved: mine",)
    ),
    "names-a-file-as-a-revision": Act("echo head >HEAD; echo main >main; echo other >other", ends=("ok",)),
    "names-files-as-revisions-and-fails": Act(
        f"mkdir HEAD; echo kept >HEAD/main; {COMMIT}; rm -r HEAD; echo head >HEAD; exit 1",
        keeps=("kept\n", "head\n"),
    ),
    "has-files-named-as-revisions": Act(
        f"echo new >new.txt; {COMMIT}",
        before="echo h >HEAD; echo m >main; git add -A; git commit -qm names",
        keeps=("new\n",),
        ends=("ok",),
    ),
    "makes-a-ref-of-the-name-of-our-folder-and-fails": Act("git update-ref refs/pitboss HEAD; exit 1"),
    "makes-a-ref-of-the-name-of-the-runs-folder-and-fails": Act(
        f"echo kept >kept.txt; {COMMIT}; git update-ref refs/pitboss/rescue/$PITBOSS_RUN_ID HEAD;"
        " git reset -q --hard HEAD~1; exit 1",
        keeps=("kept\n",),
    ),
    "makes-refs-below-names-of-rescue-refs-and-fails": Act(
        "for n in 1 2 3; do git update-ref refs/pitboss/rescue/$PITBOSS_RUN_ID/session-000$n/x HEAD; done; exit 1"
    ),
    "makes-branches-below-names-of-session-branches": Act(
        f"echo kept >kept.txt; {COMMIT};"
        " for n in 2 3 4; do git branch pitboss/grind/$PITBOSS_RUN_ID-session-000$n/x; done",
        keeps=("kept\n",),
        ends=("ok",),
        modes=(WORKTREE,),
    ),
    **{
        f"deletes-{whose}-branch-and-makes-one-below-it{end and '-and-fails'}": Act(
            f"{_MORE}; {COMMIT}; b={ref}; git checkout -q --detach; git update-ref -d refs/heads/$b;"
            f" git checkout -qb $b/x; echo kept >kept.txt; {COMMIT}; echo last >last.txt; {end}",
            keeps=("more\n", "kept\n", "last\n"),
        )
        for whose, ref in (("its", "$(git symbolic-ref --short HEAD)"), ("the-run", RUN))
        for end in ("", "exit 1")
    },
    **{
        f"{name}-the-users-branch{end and '-and-fails'}": Act(
            f"{act}; {end}", before=_FEATURE, keeps=("feature\n",), touches=("branches",), told=told
        )
        for name, act, told in (
            ("deletes", "git branch -q -D feature", "the branch feature was deleted"),
            ("moves", "git branch -q -f feature HEAD", "the branch feature was moved to"),
        )
        for end in ("", "exit 1")
    },
    "lands-its-work-on-a-branch-of-the-users": Act(
        f"{COMMIT}; git push -q . HEAD:other", touches=("branches",), told="the branch other was moved to"
    ),
    **{
        f"{name}-the-users-stash{end and '-and-fails'}": Act(
            f"{act}; {end}", keeps=("stashed\n",), touches=("stash",), told="the stash lost `WIP on main"
        )
        for name, act in (
            ("drops", "git stash drop -q"),
            ("pops", "git stash pop -q; git checkout -q HEAD ."),
        )
        for end in ("", "exit 1")
    },
    "drops-its-stash": Act(
        f"echo untracked >n.txt; echo dirt >README.md; {AGENT} stash -qu; git stash drop -q",
        keeps=("untracked\n", "dirt\n"),
    ),
    "drops-a-stash-of-one-file": Act(
        f"echo dirt >README.md; {AGENT} stash push -q -- README.md; git stash drop -q", keeps=("dirt\n",)
    ),
    "drops-what-it-staged-and-stashed": Act(
        f"echo staged >README.md; git add README.md; echo dirt >README.md; {AGENT} stash -q; git stash clear",
        keeps=("staged\n", "dirt\n"),
        touches=("stash",),
    ),
    "drops-its-stash-and-fails": Act(
        f"echo dirt >README.md; {AGENT} stash -qu; git stash drop -q; exit 1", keeps=("dirt\n",)
    ),
    "pops-its-stash-and-goes-on": Act(
        f"echo dirt >README.md; {AGENT} stash -qu; git stash pop -q; echo more >>README.md; rm -rf n",
        keeps=("dirt\n",),
        ends=("ok",),
    ),
    "pops-its-stash": Act(f"echo dirt >README.md; {AGENT} stash -qu; git stash pop -q", ends=("ok",)),
    "stashes": Act(
        "echo dirt >README.md; git add -A; git stash -q", touches=("stash",), ends=("dirty: head_moved",)
    ),
}
