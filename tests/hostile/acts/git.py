"""What agents do to the repository's git directory."""

from __future__ import annotations

from tests.hostile.act import AGENT, COMMIT, WORKTREE, Act

ACTS = {
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
