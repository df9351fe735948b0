"""Whether a working tree is a sparse checkout, in which git's marks on paths are not an agent's (SPEC 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitboss.git.repo import Repo


def is_sparse(repo: Repo) -> bool:
    """Whether git's settings say so now. Raises GitError."""
    said = repo.git("config", "--get", "--type=bool", "core.sparseCheckout", ok=(0, 1))
    return said.strip() == b"true"
