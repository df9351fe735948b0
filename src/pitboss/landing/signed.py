"""Makes commits in the name of the user, signed if the user signs commits (SPEC 11)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.errors import CommandError
from pitboss.git.errors import GitError, last_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo
    from pitboss.landing.changes import Author

_UTF_8 = ("-c", "i18n.commitEncoding=UTF-8")


class PersonalCommits:
    """Makes commits on no branch. Without `user.name` and `user.email`, the committer is that of `repo`."""

    def __init__(self, repo: Repo) -> None:
        name, mail = _setting(repo, "user.name"), _setting(repo, "user.email")
        self._repo = repo.authored_by(f"{name} <{mail}>") if name and mail else repo
        self._signs = _setting(repo, "commit.gpgSign", "--type=bool") == "true"

    def commit(self, tree: str, parents: Sequence[str], message: str, author: Author | None = None) -> str:
        """Make a commit, by the committer unless an `author` is given.

        Raises CommandError if it cannot be signed, and GitError.
        """
        return self._make(tree, parents, message, author=author, sign=self._signs)

    def scratch(self, tree: str, parent: str) -> str:
        """A commit that exists only for a merge."""
        return self._make(tree, (parent,), "", author=None, sign=False)

    def _make(
        self, tree: str, parents: Sequence[str], message: str, *, author: Author | None, sign: bool
    ) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        order = (*_UTF_8, "commit-tree", "-S" if sign else "--no-gpg-sign", *words, tree)
        try:
            made = self._repo.git(*order, stdin=os.fsencode(message), env=_written_by(author))
        except GitError as error:
            if not sign:
                raise
            raise CommandError(
                f"git could not sign the commit: {last_line(error.stderr)}; nothing was changed",
                hint="make signing work, or set `git config commit.gpgSign false`",
            ) from error
        return made.decode().strip()


def _written_by(author: Author | None) -> dict[str, str]:
    """The variables that tell git who wrote a commit; an agent may have left a name that git would refuse."""
    if author is None or not author.name.strip(" .,:;<>\"\\'") or not author.date:
        return {}
    return {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.mail,
        "GIT_AUTHOR_DATE": author.date,
    }


def _setting(repo: Repo, key: str, *kind: str) -> str:
    return os.fsdecode(repo.git("config", *kind, "--get", key, ok=(0, 1))).strip()
