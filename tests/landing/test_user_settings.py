"""Whatever the user set in git, work lands, is rescued, listed and shown all the same (SPEC 1.6)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.core.session import Assignment, Landing
from pitboss.core.text import commit_message
from pitboss.git.repo import Repo
from pitboss.git.switch import HeadPosition, Switch
from pitboss.landing import rescue_refs, rescued_work
from pitboss.landing.landed import landed_sessions
from pitboss.landing.readiness import begin_check
from pitboss.landing.rescuer import RescuePolicy
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.session_tree import SessionTree
from pitboss.store.paths import RunPaths
from tests.support.shell import sh

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
SUBJECT = f"[pitboss/grind] rescue of alphä session-0002 ({RUN})"
SETUP = """
git init -q -b main . && git config user.name a && git config user.email b
printf '.pitboss/\\n' > .gitignore && echo one > one && git add -A && git commit -qm first
"""
HOSTILE = """
[log]
    showSignature = true
    follow = true
    decorate = full
    showRoot = false
    date = relative
    abbrevCommit = true
    mailmap = true
[gpg]
    program = @HOME@/gpg
[core]
    quotePath = true
    pager = false
    editor = false
    abbrev = 4
    commentChar = p
    attributesFile = /nowhere
    safecrlf = true
    untrackedCache = false
    commitGraph = false
[color]
    ui = always
    status = always
    diff = always
    branch = always
[column]
    ui = always
[diff]
    external = false
    noprefix = true
    mnemonicPrefix = true
    renames = copies
    ignoreSubmodules = all
    submodule = log
    orderFile = /dev/null
    relative = true
    wordRegex = .
    colorMoved = zebra
    context = 0
[format]
    pretty = oneline
    notes = *
[status]
    short = true
    branch = false
    relativePaths = true
    showUntrackedFiles = no
    showStash = true
    aheadBehind = false
    submoduleSummary = true
    renames = copies
[commit]
    verbose = 2
    template = /nowhere
    gpgSign = true
    cleanup = scissors
    status = true
[tag]
    gpgSign = true
[i18n]
    commitEncoding = ISO-8859-1
    logOutputEncoding = UTF-16
[user]
    useConfigOnly = true
[trailer]
    separators = "="
[clean]
    requireForce = true
[add]
    ignoreErrors = true
[grep]
    patternType = perl
    fallbackToNoIndex = true
    fullName = false
[rerere]
    enabled = true
[merge]
    conflictStyle = diff3
    renames = false
[push]
    gpgSign = true
[advice]
    detachedHead = true
[alias]
    status = !false
    log = !false
[transfer]
    hideRefs = refs/pitboss
[init]
    defaultBranch = elsewhere
[pager]
    log = false
    show = false
    diff = false
    status = false
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of a user with odd tastes; its first commit is signed, which git can be told to show."""
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    sh(folder, SETUP)
    (tmp_path / ".gitconfig").write_text(HOSTILE.replace("@HOME@", str(tmp_path)))
    (tmp_path / "gpg").write_text("#!/bin/sh\necho gpg: no opinion on $$ >&2; exit 1\n")
    (tmp_path / "gpg").chmod(0o755)
    return folder


def sign(root: Path, commit: str) -> str:
    """The same commit, as if a user had signed it."""
    raw = sh(root, f"git cat-file commit {commit}")
    head, _, message = raw.partition("\n\n")
    mark = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n bm9uZQ==\n -----END PGP SIGNATURE-----"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=root,
        input=f"{head}\n{mark}\n\n{message}\n".encode(),
        capture_output=True,
        check=True,
    )
    return made.stdout.decode().strip()


def test_the_users_settings_change_nothing_about_a_run(root: Path) -> None:
    repo = Repo.discover(root)
    branch = RunBranch(repo, BRANCH, checked_out=True)
    tree = SessionTree(repo, BRANCH, RescuePolicy(paths=RunPaths(root, RUN)))
    base = begin_check(repo, in_place=True)().head
    branch.create(base)
    Switch(repo, RunPaths(root, RUN).switch).to(HeadPosition(commit=base, branch=BRANCH))

    def begin(seq: int) -> Assignment:
        tree.begin(seq)
        return Assignment(
            seq=seq,
            prompt="alphä",
            rotation=1,
            started_at=datetime.now(UTC),
            base_commit=repo.line("rev-parse", BRANCH),
        )

    first = begin(1)
    (root / "nëw").write_text("new\n")
    message = commit_message(prompt="alphä", seq=1, run_id=RUN, summary="did ït\n\npeculiar line")
    landed = tree.land(first, message)
    assert landed == Landing(commit=repo.line("rev-parse", BRANCH))
    assert repo.git("cat-file", "commit", BRANCH).decode().partition("\n\n")[2] == message
    assert repo.status().dirty == 0

    second = begin(2)
    (root / "nëw").write_text("newer\n")
    kept = tree.rescue(second)
    assert kept.rescue == (f"refs/pitboss/rescue/{RUN}/session-0002",)
    assert rescue_refs.why_kept(repo, kept.rescue[0]) is None
    (listed,) = rescue_refs.list_rescued(repo, RUN)
    assert (listed.ref, listed.subject) == (kept.rescue[0], SUBJECT)
    shown = rescued_work.show(repo, listed).decode()
    assert "diff --git a/nëw b/nëw\n" in shown
    assert "-new\n+newer\n" in shown
    assert f"    {SUBJECT}\n" in shown
    assert "\x1b" not in shown
    assert "encoding" not in repo.git("cat-file", "commit", listed.oid).decode()

    # Signed by the user since: git would put what it thinks of the signature between the fields.
    signed = sign(root, BRANCH)
    repo.git("update-ref", f"refs/heads/{BRANCH}", signed)
    for since in (base, None):
        found = landed_sessions(repo, RUN, signed, since)
        assert {seq: (c.commit, c.parent, c.prompt) for seq, c in found.items()} == {
            1: (signed, base, "alphä")
        }
    again = SessionTree(repo, BRANCH, RescuePolicy(paths=RunPaths(root, RUN)))
    assert again.land(first, message) == Landing(commit=signed)
