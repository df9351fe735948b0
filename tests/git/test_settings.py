"""Which of git's settings an agent may change, and what becomes of those that it may not (SPEC 1.6)."""

from __future__ import annotations

import pytest

from pitboss.git.settings import compare, is_decisive

USERS = (
    b"[core]\n\tbare = false ; the user's\n[user]\n\tname = user\n[include]\n\tpath = ~/one\n\tpath = ~/two\n"
)


@pytest.mark.parametrize(
    ("key", "decisive"),
    [
        ("core.worktree", True),
        ("core.bare", True),
        ("core.hookspath", True),
        ("core.fsmonitor", True),
        ("core.sshcommand", True),
        ("core.excludesfile", True),
        ("core.anything.new", True),
        ("core.autocrlf", False),
        ("core.sparsecheckout", True),
        ("include.path", True),
        ("includeif.gitdir:/x.path", True),
        ("filter.lfs.clean", True),
        ("diff.json.textconv", True),
        ("merge.ours.driver", True),
        ("extensions.worktreeconfig", True),
        ("alias.st", True),
        ("remote.origin.pushurl", True),
        ("url.https://x/.insteadof", True),
        ("submodule.lib.update", True),
        ("submodule.lib.url", False),
        ("gpg.program", True),
        ("user.name", False),
        ("branch.main.remote", False),
        ("merge.conflictstyle", False),
    ],
)
def test_what_says_where_git_writes_or_what_it_runs_is_decisive(key: str, decisive: bool) -> None:
    assert is_decisive(key) is decisive


def test_nothing_decisive_leaves_the_config_as_it_is_now() -> None:
    now = USERS + b'[branch "x"]\n\tremote = origin\n'
    compared = compare(USERS, now)
    assert compared is not None
    assert (compared.decisive, compared.other, compared.content) == ((), ("branch.x.remote",), now)


def test_decisive_keys_alone_bring_back_the_users_file_to_the_letter() -> None:
    compared = compare(USERS, b"[core]\n\tworktree = /else\n[user]\n\tname = user\n")
    assert compared is not None
    assert compared.other == ()
    assert compared.decisive == ("core.bare", "include.path", "core.worktree")
    assert compared.content == USERS


@pytest.mark.parametrize(
    "added",
    [
        "[core]\n\tfileMode = banana\n",
        "[core]\n\tcompression = 99\n",
        "[core]\n\tabbrev = banana\n",
        "[status]\n\tshowUntrackedFiles = banana\n",
        "[commit]\n\tgpgSign = banana\n",
        "[diff]\n\trenames = banana\n",
        "[user]\n\tname\n",
        "[submodule]\n\trecurse = banana\n",
        "[worktree]\n\tguessRemote = banana\n",
        "[merge]\n\tconflictStyle = banana\n",
        "[merge]\n\trenames = banana\n",
        "[pack]\n\tthreads = banana\n",
        "[checkout]\n\tworkers = banana\n",
        "[log]\n\tdate = banana\n",
        "[fetch]\n\tprune = banana\n",
        "[clean]\n\trequireForce = banana\n",
    ],
)
def test_a_value_that_git_refuses_is_put_back_and_the_rest_stays(added: str) -> None:
    sound = b"[user]\n\temail = a@b\n"
    compared = compare(sound, sound + b"[x]\n\ty = 1\n" + added.encode())
    assert compared is not None
    assert (len(compared.decisive), compared.other) == (1, ("x.y",))
    assert added.encode() not in compared.content


@pytest.mark.parametrize(
    "added",
    [
        "[core]\n\tfileMode = false\n",
        "[core]\n\tfileMode\n",
        '[branch "a=b"]\n\tmerge = refs/heads/x\n',
        "[color]\n\tui = always\n",
        "[user]\n\tname = somebody\n",
    ],
)
def test_a_value_that_git_takes_stays(added: str) -> None:
    compared = compare(b"", added.encode())
    assert compared is not None
    assert (compared.decisive, compared.content) == ((), added.encode())


def test_what_else_changed_stays_changed() -> None:
    now = USERS.replace(b"name = user", b"name = agent\n\temail = a@b").replace(b"~/two", b"/evil")
    compared = compare(USERS, now)
    assert compared is not None
    assert compared.decisive == ("include.path",)
    assert compared.other == ("user.name", "user.email")
    assert b"name = agent" in compared.content
    assert b"email = a@b" in compared.content
    assert b"~/two" in compared.content
    assert b"/evil" not in compared.content


@pytest.mark.parametrize("now", [b"[core", b"[a]\n=", b"\x00\xff"], ids=["cut", "no key", "bytes"])
def test_what_git_cannot_read_is_no_config(now: bytes) -> None:
    assert compare(USERS, now) is None
