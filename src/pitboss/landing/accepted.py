"""Which landed sessions are in use on the default branch, whichever way they got there (SPEC 11).

One `git log` reports which sessions its commits carry and revert. Patches are compared only for the other sessions,
each once: `Findings` keeps the results, and losing it costs only time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.acceptance import Arrival, Arrivals, brought_by, reverts_named, sessions_named
from pitboss.git.patch_ids import patch_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pitboss.core.history import PastSession, SessionId
    from pitboss.git.repo import Repo

_LOG = (
    *("log", "-z", "--topo-order", "--no-show-signature", "--no-color", "--encoding=UTF-8"),
    "--format=%H%x1f%P%x1f%B",
)
_EARLIER_S = 86400
"""How much older than the first session a commit that carries one may appear: clocks differ."""


class Findings(msgspec.Struct, kw_only=True):
    """Git's answers, for later calls: the commits of the default branch at `tips` made since `since`, and patch ids.

    The key of a patch id is its commit, or `COMMIT BASE` for all changes since another commit.
    """

    tips: tuple[str, ...] = ()
    since: int = 0
    arrivals: list[Arrival] = []
    patches: dict[str, str] = {}


def accepted_sessions(
    repo: Repo,
    sessions: Sequence[PastSession],
    tips: tuple[str, ...],
    base_of: Callable[[str], str | None],
    findings: Findings,
) -> frozenset[SessionId]:
    """The sessions whose change is on the branch at `tips`, and was not reverted since.

    `base_of` says where a run began. `findings` are those of earlier calls, and are brought up to date. Raises
    GitError.
    """
    if not tips or not any(each.commit for each in sessions):
        return frozenset()
    since = int(min(each.started for each in sessions)) - _EARLIER_S
    if findings.tips != tips or findings.since > since:
        findings.arrivals = _arrivals(repo, tips, since)
        findings.tips, findings.since = tips, since
    arrivals = Arrivals(findings.arrivals, sessions)
    unexplained, missing = arrivals.unexplained(), arrivals.missing()
    if not unexplained or not missing:
        return arrivals.accepted({})
    return arrivals.accepted(_same_patch(repo, unexplained, missing, base_of, findings))


def _arrivals(repo: Repo, tips: Sequence[str], since: int) -> list[Arrival]:
    log = repo.git(*_LOG, f"--since={since}", *tips, "--")
    entries = [
        entry.split("\x1f", 2) for entry in log.decode(errors="replace").rstrip("\0").split("\0") if entry
    ]
    parents = {oid: above.split() for oid, above, _ in entries}
    return [
        Arrival(
            oid=oid,
            sessions=sessions_named(message),
            undoes=tuple(undone for each in reverts_named(message) for undone in brought_by(each, parents)),
            is_plain=len(parents[oid]) < 2,
        )
        for oid, _, message in entries
    ]


def _same_patch(
    repo: Repo,
    unexplained: Iterable[str],
    missing: Sequence[PastSession],
    base_of: Callable[[str], str | None],
    findings: Findings,
) -> dict[str, list[SessionId]]:
    """The missing sessions by each unexplained commit that has their patch, or that of all their run landed."""
    runs = _by_run(missing)
    wholes = {run_id: _whole(run, base_of(run_id)) for run_id, run in runs.items()}
    alone = (str(each.commit) for each in missing)
    _look_up(repo, [(oid, None) for oid in (*unexplained, *alone)], findings)
    _look_up(repo, [whole for whole in wholes.values() if whole is not None], findings)
    carriers: dict[str, list[str]] = {}
    for oid in unexplained:
        if patch := findings.patches.get(oid):
            carriers.setdefault(patch, []).append(oid)
    found: dict[str, list[SessionId]] = {}
    for each in missing:
        whole = wholes[each.run_id]
        for key in (str(each.commit), "" if whole is None else _key(*whole)):
            for oid in carriers.get(findings.patches.get(key, ""), ()):
                found.setdefault(oid, []).append(each.id)
    return found


def _by_run(sessions: Iterable[PastSession]) -> dict[str, list[PastSession]]:
    runs: dict[str, list[PastSession]] = {}
    for each in sessions:
        runs.setdefault(each.run_id, []).append(each)
    return runs


def _whole(run: Sequence[PastSession], base: str | None) -> tuple[str, str] | None:
    """The last of these sessions' commits, and where their run began; None if unknown."""
    last = max(run, key=lambda each: each.started + each.seconds)
    return None if base is None else (str(last.commit), base)


def _look_up(repo: Repo, changes: Sequence[tuple[str, str | None]], findings: Findings) -> None:
    """Find the patch ids that are not known yet; a commit without one has an empty one."""
    new = [each for each in dict.fromkeys(changes) if _key(*each) not in findings.patches]
    found = patch_ids(repo, new)
    findings.patches |= {_key(oid, base): found.get(oid, "") for oid, base in new}


def _key(oid: str, base: str | None) -> str:
    return oid if base is None else f"{oid} {base}"
