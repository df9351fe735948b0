"""The place of a session in the user's tree, on the run branch itself: one session at a time (SPEC 5, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.landing.landed import landed_sessions
from pitboss.landing.user_checkout import RescueLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.session import Assignment, Landing
    from pitboss.landing.session_tree import SessionTree
    from pitboss.landing.site import Site

EDITOR_S = 30.0
"""How many seconds a user's own `git commit` may delay a session in the same tree."""


class InPlace:
    """A session's place in the user's tree (`engine.ports.Place`); `tree` is the same for all of them."""

    def __init__(self, site: Site, tree: SessionTree, session: Assignment) -> None:
        self._site = site
        self._tree = tree
        self._session = session

    @property
    def path(self) -> str:
        """The root of the user's tree."""
        return str(self._site.repo.root)

    def bring_back(self) -> None:
        """The tree is where the user has it."""

    def prepare(self) -> bool:
        """Bring the tree to where the session begins, and remember its state; it never needs provisioning.

        Raises GitError, and StartError if the user's own git keeps the tree from following the run branch.
        """
        label = RescueLabel.of(self._site.run_id, self._session.seq, self._session.prompt)
        self._site.branch.retry_checkout(label, wait_s=EDITOR_S)
        self._tree.begin(self._session.seq)
        return True

    def provision(self) -> Sequence[str]:
        """Nothing is missing in the user's own tree."""
        return ()

    def provisioned(self) -> None:
        """Nothing was added, so there is nothing to undo."""

    def look_ahead(self) -> None:
        """Start the look at the tree that landing begins with. Raises GitError."""
        self._tree.look_ahead(self._session)

    def commit(self, message: str) -> None:
        """The session has no branch but the run's: its work is committed as it lands."""

    def committed(self) -> None:
        """Its work is committed only as it lands."""

    def vacate(self, committed: str) -> None:
        """The tree is the user's: no other session gets it before this one has landed."""
        raise AssertionError(f"the user's tree cannot be vacated: {committed}")

    def is_behind(self) -> bool:
        """Nobody else lands while a session works here."""
        return False

    def catch_up(self, message: str) -> bool:  # noqa: ARG002 - the port's
        """There is nothing to catch up with."""
        return False

    def land(self, message: str) -> Landing:
        """Commit the session's work on the run branch; what cannot go there is rescued. Raises GitError."""
        landing = self._tree.land(self._session, message)
        self._site.branch.moved_to(landing.commit or self._session.base_commit)
        return landing

    def follow(self, landing: Landing) -> Landing:
        """The user's tree is where the session landed."""
        return landing

    def diff(self) -> DiffStat | None:
        """How much the session changed, as far as this process landed it."""
        return self._tree.stat

    def rescue(self) -> Landing:
        """Keep all of the session's work under rescue refs. Raises GitError."""
        return self._rescue(self._session)

    def rescue_late(self) -> Landing:
        """Like `rescue`, for a session that has its record: what others have landed since stays. Raises GitError."""
        tip = self._site.branch.tip
        since = landed_sessions(self._site.repo, self._site.run_id, tip, self._session.base_commit)
        others = since.keys() - {self._session.seq}
        return self._rescue(replace(self._session, base_commit=tip) if others else self._session)

    def _rescue(self, session: Assignment) -> Landing:
        landing = self._tree.rescue(session)
        self._site.branch.moved_to(session.base_commit)
        return landing

    def rescue_commits(self) -> Sequence[str]:
        """Rescue what the session committed and put the run branch back; no tree is looked at. Raises GitError."""
        return self._site.branch.withdraw(self._session)

    def release(self) -> None:
        """The tree is the user's: there is nothing to free."""
