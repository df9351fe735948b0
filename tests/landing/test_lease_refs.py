"""Leases and results as refs: one attempt gets a session, and nothing that a worker pushed is lost (SPEC 14)."""

from __future__ import annotations

from contextlib import closing
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest

from pitboss.core.leases import Lease
from pitboss.git.errors import GitError
from pitboss.git.ref_changes import keep_changing
from pitboss.git.repo import Repo
from pitboss.landing import lease_refs, rescue_refs
from pitboss.landing.lease_refs import (
    LeaseTaken,
    Made,
    acquire,
    drop,
    keep_result,
    leases,
    read,
    release,
    results,
)
from pitboss.landing.listing import session_refs
from pitboss.landing.refs import lease_ref
from tests.support.shell import sh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "20300101T000000Z-abcd"
ONE, TWO = Lease(1, "anna"), Lease(2, "bert")


@pytest.fixture(params=[("sha1", False), ("sha256", True)], ids=["sha1", "sha256, git kept running"])
def repo(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Repo]:
    """The run branch with one commit, and two commits on no branch."""
    object_format, kept = request.param
    root = tmp_path / "repo"
    root.mkdir()
    sh(
        root,
        f"""git init -q -b main --object-format={object_format}; git config user.name a; git config user.email b
        git commit -q --allow-empty -m base; git branch pitboss/grind/{RUN}
        for nth in one two; do git update-ref refs/$nth $(git commit-tree -m $nth -p main main^{{tree}}); done""",
    )
    found = Repo.discover(root)
    if kept:
        with closing(keep_changing(found)):
            yield found
    else:
        yield found


def refs(repo: Repo, folder: str = "refs/pitboss") -> list[str]:
    return repo.git("for-each-ref", "--format=%(refname)", folder).decode().split()


def oid(repo: Repo, name: str) -> str:
    return repo.line("rev-parse", f"refs/{name}")


def test_the_blob_of_an_equal_lease_is_written_once_and_again_if_it_was_lost(repo: Repo) -> None:
    written: dict[Lease, str] = {}
    first = acquire(repo, RUN, 1, ONE, written=written)
    assert (first.ref, written) == (f"refs/pitboss/lease/{RUN}/1", {ONE: first.oid})
    assert acquire(repo, RUN, 2, ONE, written={ONE: first.oid}).oid == first.oid
    with pytest.raises(LeaseTaken):
        acquire(repo, RUN, 2, ONE, written=written)

    gone = {TWO: oid(repo, "one").translate(str.maketrans("0123456789", "1234567890"))}
    acquire(repo, RUN, 3, TWO, written=gone)
    assert leases(repo, RUN) == {1: ONE, 2: ONE, 3: TWO}


def test_no_lease_names_a_blob_that_somebody_has_pruned(repo: Repo) -> None:
    written: dict[Lease, str] = {}
    assert drop(repo, [acquire(repo, RUN, 1, ONE, written=written)])
    repo.git("prune", "--expire=now")
    acquire(repo, RUN, 2, ONE, written=written)
    assert leases(repo, RUN) == {2: ONE}
    repo.git("gc", "--quiet", "--prune=now")
    assert drop(repo, [Made(lease_ref(RUN, 2), written[ONE])])


def test_refs_that_this_process_made_are_dropped_at_once_or_not_at_all(repo: Repo) -> None:
    leased, result = acquire(repo, RUN, 1, ONE), keep_result(repo, RUN, 1, 1, oid(repo, "one"))
    assert result is not None
    made = [leased, Made(result.ref, result.oid)]
    assert not drop(repo, [leased, Made(result.ref, oid(repo, "two"))])
    assert len(refs(repo)) == 2
    assert drop(repo, made)
    assert refs(repo) == []
    assert not drop(repo, made)


def test_a_session_has_one_lease_which_says_the_attempt_and_its_worker(repo: Repo) -> None:
    assert read(repo, RUN, 7) is None
    acquire(repo, RUN, 7, ONE)
    assert read(repo, RUN, 7) == ONE
    assert refs(repo) == [f"refs/pitboss/lease/{RUN}/7"]
    for other in (ONE, TWO):
        with pytest.raises(LeaseTaken) as caught:
            acquire(repo, RUN, 7, other)
        assert str(caught.value) == f"session 7 of {RUN} is leased to another attempt"
    assert read(repo, RUN, 7) == ONE


def test_a_lease_passes_on_only_from_the_one_that_is_held(repo: Repo) -> None:
    acquire(repo, RUN, 7, ONE)
    with pytest.raises(LeaseTaken):
        acquire(repo, RUN, 7, Lease(3, "carl"), instead_of=TWO)
    acquire(repo, RUN, 7, TWO, instead_of=ONE)
    assert read(repo, RUN, 7) == TWO
    with pytest.raises(LeaseTaken):
        acquire(repo, RUN, 7, TWO, instead_of=ONE)
    with pytest.raises(LeaseTaken):
        acquire(repo, RUN, 8, TWO, instead_of=ONE)


def test_of_several_that_want_a_lease_at_once_one_gets_it(repo: Repo) -> None:
    start, got = Barrier(4), list[Lease]()

    def want(lease: Lease) -> None:
        start.wait(timeout=30)
        try:
            acquire(repo, RUN, 1, lease)
        except LeaseTaken:
            return
        got.append(lease)

    threads = [Thread(target=want, args=(Lease(nth, "w"),)) for nth in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [read(repo, RUN, 1)] == got


def test_leases_of_a_run_are_listed_and_what_is_none_is_left_out(repo: Repo) -> None:
    acquire(repo, RUN, 2, ONE)
    acquire(repo, RUN, 11, TWO)
    acquire(repo, "another", 2, TWO)
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"no lease").decode().strip()
    long = repo.git("hash-object", "-w", "--stdin", stdin=b" " * 5000).decode().strip()
    for name, target in (("3", blob), ("4", long), ("5", oid(repo, "one")), ("x", blob), ("6/7", blob)):
        repo.git("update-ref", f"refs/pitboss/lease/{RUN}/{name}", target)
    assert leases(repo, RUN) == {2: ONE, 11: TWO}


def test_a_lease_that_git_cannot_write_is_an_error_of_its_own(repo: Repo) -> None:
    repo.git("update-ref", f"refs/pitboss/lease/{RUN}", oid(repo, "one"))
    with pytest.raises(GitError) as caught:
        acquire(repo, RUN, 7, ONE)
    assert caught.value.ref_in_the_way == f"refs/pitboss/lease/{RUN}"


def test_an_attempt_has_one_result_and_any_number_of_partial_ones(repo: Repo) -> None:
    one, two = oid(repo, "one"), oid(repo, "two")
    first = keep_result(repo, RUN, 3, 1, one)
    assert first is not None
    assert (first.ref, first.partial) == (f"refs/pitboss/result/{RUN}/3-1", False)
    assert keep_result(repo, RUN, 3, 1, one) == first
    assert keep_result(repo, RUN, 3, 1, two) is None
    for tip in (one, two, one, two):
        keep_result(repo, RUN, 3, 1, tip, partial=True)
    keep_result(repo, RUN, 31, 1, two)
    assert [(found.ref.rpartition("/")[2], found.oid, found.attempt) for found in results(repo, RUN, 3)] == [
        ("3-1", one, 1),
        ("3-1-partial", one, 1),
        ("3-1-partial-2", two, 1),
    ]
    assert len(results(repo, RUN)) == 4
    repo.git("update-ref", f"refs/pitboss/result/{RUN}/strange", one)
    assert len(results(repo, RUN)) == 4


def test_a_result_must_be_a_commit_that_is_there(repo: Repo) -> None:
    with pytest.raises(GitError):
        keep_result(repo, RUN, 3, 1, "1" * len(oid(repo, "one")))
    assert results(repo, RUN) == ()


def test_what_did_not_land_is_rescued_when_the_lease_goes(repo: Repo) -> None:
    one, two = oid(repo, "one"), oid(repo, "two")
    acquire(repo, RUN, 3, ONE)
    keep_result(repo, RUN, 3, 1, one)
    keep_result(repo, RUN, 3, 2, two, partial=True)
    acquire(repo, RUN, 4, TWO)
    assert session_refs(repo, RUN).leased == (3, 4)
    rescued = f"refs/pitboss/rescue/{RUN}/session-0003"
    assert release(repo, RUN, 3) == (rescued, f"{rescued}-2")
    assert {ref.oid for ref in rescue_refs.list_rescued(repo, RUN)} == {one, two}
    assert rescue_refs.why_kept(repo, rescued) == lease_refs.LEFT
    assert refs(repo, "refs/pitboss/lease") == [f"refs/pitboss/lease/{RUN}/4"]
    assert refs(repo, "refs/pitboss/result") == []
    before = refs(repo)
    assert release(repo, RUN, 3) == ()
    assert refs(repo) == before


def test_what_landed_needs_no_rescue(repo: Repo) -> None:
    one, two = oid(repo, "one"), oid(repo, "two")
    acquire(repo, RUN, 3, ONE)
    keep_result(repo, RUN, 3, 1, one)
    keep_result(repo, RUN, 3, 1, two, partial=True)
    repo.git("update-ref", f"refs/heads/pitboss/grind/{RUN}", two)
    assert release(repo, RUN, 3, landed=[one]) == ()
    assert refs(repo) == []
    assert session_refs(repo, RUN).leased == ()


def test_leftovers_of_a_session_that_landed_are_rescued_only_as_far_as_they_are_partial(repo: Repo) -> None:
    one, two = oid(repo, "one"), oid(repo, "two")
    for seq in (3, 4):
        acquire(repo, RUN, seq, ONE)
        keep_result(repo, RUN, seq, 1, one)
        keep_result(repo, RUN, seq, 1, two, partial=True)
    lease_refs.drop_leftovers(repo, RUN, 3, has_landed=True)
    assert [each.oid for each in rescue_refs.list_rescued(repo, RUN, 3)] == [two]
    lease_refs.drop_leftovers(repo, RUN, 4, has_landed=False)
    assert [each.oid for each in rescue_refs.list_rescued(repo, RUN, 4)] == [one]
    assert session_refs(repo, RUN).leased == ()


def test_neither_fetch_nor_push_nor_the_list_of_branches_shows_them(repo: Repo, tmp_path: Path) -> None:
    acquire(repo, RUN, 3, ONE)
    keep_result(repo, RUN, 3, 1, oid(repo, "one"))
    clone = tmp_path / "clone"
    sh(tmp_path, f"git clone -q {repo.root} {clone}")
    assert "pitboss/result" not in sh(clone, "git for-each-ref") + sh(repo.root, "git branch --all")
    sh(clone, f"git init -q --bare --object-format=$(git rev-parse --show-object-format) {tmp_path}/bare")
    sh(repo.root, f"git push -q --all {tmp_path}/bare")
    assert "result" not in sh(tmp_path / "bare", "git for-each-ref")
