"""Gathers what a dead run left behind, for `core.recovery.plan` to decide on; changes nothing (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.recovery.facts import Checkout, DeadRun, Facts
from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.git.empty_objects import empty_objects
from pitboss.git.locks import stale_locks
from pitboss.git.loose_refs import named_branch
from pitboss.git.status import UNREADABLE, TreeStatus
from pitboss.git.switch import Switch
from pitboss.landing.listing import SessionRefs, begin_session_refs, session_worktrees
from pitboss.landing.refs import lock_scope, run_branch
from pitboss.store.catalogue import read_state
from pitboss.store.log import iter_records, scan_log
from pitboss.store.opening import status
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.run import RunState
    from pitboss.core.session import InFlight
    from pitboss.engine.ports import Hosts
    from pitboss.git.repo import Repo
    from pitboss.store.rundir import RunDir


HIGHEST_SEQ = 2**32 - 1


def dead_run(rundir: RunDir) -> DeadRun:
    """Read what is left of a run: its state, if it can be read, and its log past that."""
    try:
        state = read_state(rundir.paths)
    except StateUnreadable:
        state = None
    run_id = rundir.paths.run_id
    # Only skim what a checkpoint covers; without a checkpoint, the whole log is folded again as a stream.
    after_seq = state.last_session_seq if state else HIGHEST_SEQ
    scan = scan_log(rundir.paths.log, run_id, after_seq=after_seq)
    if scan.last_seq < after_seq:
        after_seq = scan.last_seq
        scan = scan_log(rundir.paths.log, run_id, after_seq=after_seq)
    return DeadRun(
        run_id=run_id,
        branch=state.branch if state else run_branch(run_id),
        state=state,
        scan=scan,
        after_seq=after_seq,
    )


def inspect(
    rundir: RunDir, repo: Repo, hosts: Callable[[], Hosts], *, goes_on_here: bool, force: bool
) -> tuple[DeadRun, Facts]:
    """Inspect the files, processes and repository of a run whose lock this process holds.

    `goes_on_here`: sessions will start in the user's tree afterwards, so the run branch must be checked out there.
    `hosts` are asked only about sessions that were cut short.
    """
    looked = _begin_look(repo, rundir.paths.run_id)
    try:
        dead = dead_run(rundir)
    finally:
        look = looked()
    return dead, _facts(dead, look, repo, hosts, goes_on_here=goes_on_here, force=force)


def _facts(
    dead: DeadRun,
    look: _Look,
    repo: Repo,
    hosts: Callable[[], Hosts],
    *,
    goes_on_here: bool,
    force: bool,
) -> Facts:
    state, scan, paths = dead.state, dead.scan, RunPaths(repo.root, dead.run_id)
    tip = _tip(dead, look.tree, repo)
    last_commit = None if tip else _last_commit(dead, paths)
    switch = Switch(repo, paths.switch)
    checkout = _checkout(repo, look.tree, tip or last_commit, switch)
    moved_since = _moved_since(dead, checkout, repo, paths)
    at_rest = _is_at_rest(dead, paths)
    return Facts(
        run_id=dead.run_id,
        branch=dead.branch,
        state=state,
        last_seq=scan.last_seq,
        early=frozenset(r.seq for r in scan.tail if r.seq > scan.last_seq),
        torn_at=scan.torn_at,
        damage=scan.damage,
        landed=frozenset() if at_rest else _landed(dead, repo, tip),
        alive=_alive(state, hosts),
        branch_tip=tip,
        last_commit=last_commit,
        last_commit_exists=last_commit is not None and repo.commit_id(last_commit) is not None,
        checkout=checkout if goes_on_here or moved_since else None,
        moved_since=moved_since,
        cut_switch=switch.is_cut_short(),
        stale_locks=tuple(str(path) for path in stale_locks(repo, lock_scope(repo, dead.branch))),
        empty_objects=() if at_rest else tuple(map(str, empty_objects(repo))),
        worktrees=session_worktrees(repo, dead.run_id),
        session_branches=look.refs.branches,
        leased=look.refs.leased,
        unmoved=_unmoved(dead, paths),
        force=force,
    )


class _Look(msgspec.Struct, frozen=True):
    """The user's tree, and the refs of a run's sessions."""

    tree: TreeStatus
    refs: SessionRefs


def _begin_look(repo: Repo, run_id: str) -> Callable[[], _Look]:
    """Start git's look at both while the run's files are read; call the result once to wait for it."""
    tree, refs = repo.begin_status(), begin_session_refs(repo, run_id)

    def look() -> _Look:
        try:
            found = refs()
        finally:
            seen = tree()
        return _Look(seen, found)

    return look


def _tip(dead: DeadRun, tree: TreeStatus, repo: Repo) -> str | None:
    """The commit that the run branch is on; None if the branch is gone."""
    on_branch = tree.head if tree.branch == dead.branch else None
    return on_branch or repo.commit_id(f"refs/heads/{dead.branch}")


def _worked_in_tree(state: RunState | None) -> bool:
    sessions = (*state.in_flight, *state.unrescued) if state else ()
    return any(session.assignment.worktree is None for session in sessions)


def _is_at_rest(dead: DeadRun, paths: RunPaths) -> bool:
    """Whether every session has its record, so the branch need not be read.

    A state restored from its copy may not know the last session; its transcript gives it away.
    """
    return dead.is_settled and status(paths.transcript(dead.scan.last_seq + 1)) is None


def _landed(dead: DeadRun, repo: Repo, tip: str | None) -> frozenset[int]:
    """Sessions past the log's prefix that have a commit."""
    from pitboss.landing.landed import landed_sessions

    state, scan = dead.state, dead.scan
    since = dead.settled_commit
    named = frozenset(s for s in landed_sessions(repo, dead.run_id, tip, since) if s > scan.last_seq)
    return named | frozenset(s.seq for s in (state.in_flight if state else ()) if _is_on(repo, tip, s))


def _is_on(repo: Repo, tip: str | None, session: InFlight) -> bool:
    """Whether the run branch holds all of the session's own branch; an agent's commits have no trailers to tell."""
    assigned = session.assignment
    if tip is None or assigned.branch is None or session.progress.outcome is None:
        return False
    own = repo.commit_id(f"refs/heads/{assigned.branch}")
    return own not in (None, assigned.base_commit) and repo.is_ancestor(str(own), tip)


def _last_commit(dead: DeadRun, paths: RunPaths) -> str | None:
    """The last commit on record, else the one that the run began with."""
    commit = dead.state.base_commit if dead.state else None
    for record in iter_records(paths.log):
        commit = record.commit or commit
    return commit


def _alive(state: RunState | None, hosts: Callable[[], Hosts]) -> frozenset[int]:
    return frozenset(s.seq for s in (state.in_flight if state else ()) if _lives(s, hosts))


def _lives(session: InFlight, hosts: Callable[[], Hosts]) -> bool:
    pid, started = session.progress.pid, session.progress.pid_started
    if pid is None or started is None:
        return False
    return hosts().of(session.assignment).is_running(pid, started)


def _unmoved(dead: DeadRun, paths: RunPaths) -> frozenset[int]:
    """Sessions in flight whose task is still in the queue."""
    in_flight = [session.assignment for session in (dead.state.in_flight if dead.state else ())]
    if not in_flight:
        return frozenset()
    from pitboss.store.taking import is_unmoved

    return frozenset(
        session.seq
        for session in in_flight
        if session.queued is not None and is_unmoved(paths.repo, dead.run_id, session.queued, session.seq)
    )


def _moved_since(dead: DeadRun, checkout: Checkout, repo: Repo, paths: RunPaths) -> bool:
    """Whether a run that worked in the user's tree may have had its branch switched away after its end."""
    if not _worked_in_tree(dead.state) or checkout.branch == dead.branch:
        return False
    return _head_may_have_moved(repo, paths)


def _head_may_have_moved(repo: Repo, paths: RunPaths) -> bool:
    """Whether HEAD may have moved after the guardian saw the run's last process end; if unknown, yes."""
    from pitboss.git.reflog import last_moved_at
    from pitboss.store.end_marker import ended_ns

    ended = ended_ns(paths)
    logged_at = (last_moved_at(repo) or 0) * 10**9
    try:
        return ended is None or max(logged_at, repo.inside("HEAD").lstat().st_mtime_ns) > ended
    except OSError:
        return True


def _checkout(repo: Repo, tree: TreeStatus, tip: str | None, switch: Switch) -> Checkout:
    """The user's tree. If its branch is gone, git calls every file new, so compare with the branch's commit."""
    dirty = tree.dirty > 0
    if tree.unborn and tip is not None:
        from pitboss.git.snapshot import untracked

        # Not diff-index: it reports files that were merely touched.
        dirty = bool(untracked(repo)) or not repo.succeeds("diff", "--quiet", tip, "--")
    branch = named_branch(repo) if tree.branch == UNREADABLE else tree.branch
    if not dirty or (switch.is_cut_short() and switch.explains()):
        return Checkout(branch=branch, dirty=False)
    from pitboss.landing.unclean import PUT_AWAY, way_out

    return Checkout(branch=branch, dirty=True, way_out=way_out(repo, tree, PUT_AWAY))
