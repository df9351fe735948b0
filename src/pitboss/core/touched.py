"""The files that a session changed, and which of them deserve a closer look: tests, dependencies, CI (SPEC 11)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.diff_stat import DiffStat
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fate(StrEnum):
    """What became of a file."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"
    RENAMED = "renamed"


class TouchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that a session changed: lines added and removed, None if it is binary; `was` is its path before.

    Paths are as git has them: they may hold anything but NUL.
    """

    path: str
    fate: Fate = Fate.CHANGED
    added: int | None = 0
    removed: int | None = 0
    was: str | None = None

    @property
    def lines(self) -> int:
        """Lines added and removed; none for a binary file."""
        return (self.added or 0) + (self.removed or 0)

    @property
    def is_binary(self) -> bool:
        """Whether git counts no lines in it."""
        return self.added is None


def diff_of(files: Iterable[TouchedFile]) -> DiffStat:
    """How much changed in all `files` together."""
    every = tuple(files)
    return DiffStat(
        files=len(every),
        added=sum(file.added or 0 for file in every),
        removed=sum(file.removed or 0 for file in every),
    )


_TEST = lazy_pattern(
    r"(?:^|/)(?:tests?|specs?|__tests__|testdata)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.py$"
    r"|[_.-](?:test|tests|spec)\.[^/.]+$"
    r"|(?:^|/)[^/]*(?:Test|Tests|Spec)\.(?:java|kt|scala|cs|php|swift|groovy)$",
)
_DEPENDENCIES = lazy_pattern(
    r"(?:^|/)(?:"
    r"package\.json|package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|deno\.lock"
    r"|pyproject\.toml|setup\.(?:py|cfg)|Pipfile(?:\.lock)?|poetry\.lock|uv\.lock|pdm\.lock|environment\.ya?ml"
    r"|(?:[^/]*-)?requirements[^/]*\.(?:txt|in)|requirements/[^/]*\.(?:txt|in)|constraints[^/]*\.txt"
    r"|Cargo\.(?:toml|lock)|go\.(?:mod|sum|work)|Gemfile(?:\.lock)?|[^/]*\.gemspec|composer\.(?:json|lock)"
    r"|pom\.xml|build\.gradle(?:\.kts)?|gradle\.lockfile|libs\.versions\.toml|build\.sbt|mix\.(?:exs|lock)"
    r"|[^/]*\.csproj|packages\.lock\.json|Directory\.Packages\.props|Package\.(?:swift|resolved)|Podfile(?:\.lock)?"
    r"|pubspec\.(?:yaml|lock)|flake\.(?:nix|lock)|conanfile\.(?:txt|py)|vcpkg\.json|\.gitmodules"
    r")$",
)
_CI = lazy_pattern(
    r"^\.(?:github/(?:workflows|actions)|circleci|buildkite|woodpecker|gitlab|forgejo/workflows|gitea/workflows)/"
    r"|^\.(?:gitlab-ci|travis|drone|woodpecker|cirrus|appveyor|pre-commit-config)\.ya?ml$"
    r"|^(?:azure-pipelines|bitbucket-pipelines|cloudbuild|appveyor)\.ya?ml$"
    r"|(?:^|/)Jenkinsfile$",
)


def is_test(path: str) -> bool:
    """Whether a file is a test, or there for tests, by its name."""
    return _TEST.search(path) is not None


def is_dependency_list(path: str) -> bool:
    """Whether a file says which other software the project uses."""
    return _DEPENDENCIES.search(path) is not None


def is_ci(path: str) -> bool:
    """Whether a file says what machines do with each change, such as running tests or publishing."""
    return _CI.search(path) is not None


def takes_tests_away(file: TouchedFile) -> bool:
    """Whether a test is gone: deleted, or moved to where it is none."""
    if file.fate is Fate.DELETED:
        return is_test(file.path)
    return file.was is not None and is_test(file.was) and not is_test(file.path)
