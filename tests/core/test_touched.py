"""Which files deserve a closer look, by their names."""

from __future__ import annotations

import pytest

from pitboss.core.diff_stat import DiffStat
from pitboss.core.touched import (
    Fate,
    TouchedFile,
    diff_of,
    is_ci,
    is_dependency_list,
    is_test,
    takes_tests_away,
)


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_sums.py",
        "test/helper.rb",
        "src/spec/thing.rb",
        "src/__tests__/App.jsx",
        "pkg/sum_test.go",
        "web/app.test.ts",
        "web/app.spec.ts",
        "test_sums.py",
        "src/conftest.py",
        "src/main/SumTest.java",
        "src/tests/data/one.json",
    ],
)
def test_a_test_is_known_by_its_name(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize(
    "path", ["src/contest.py", "latest/x.py", "src/protester.py", "attest.go", "inspect.py"]
)
def test_what_only_sounds_like_one_is_none(path: str) -> None:
    assert not is_test(path)


@pytest.mark.parametrize(
    "path",
    [
        "package.json",
        "web/package-lock.json",
        "uv.lock",
        "requirements.txt",
        "requirements/dev.txt",
        "dev-requirements.in",
        "Cargo.toml",
        "go.sum",
        "a.gemspec",
        "app/build.gradle.kts",
        "src/App.csproj",
    ],
)
def test_lists_of_dependencies_are_known(path: str) -> None:
    assert is_dependency_list(path)


def test_what_is_no_list_of_dependencies() -> None:
    assert not any(map(is_dependency_list, ("docs/package.json.md", "lock", "src/requirements.py")))


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        ".circleci/config.yml",
        "azure-pipelines.yml",
    ],
)
def test_ci_is_known(path: str) -> None:
    assert is_ci(path)


def test_what_is_no_ci() -> None:
    assert not any(map(is_ci, (".github/CODEOWNERS", "docs/.gitlab-ci.yml.md", "src/workflows/x.yml")))


def test_a_test_that_is_deleted_or_moved_elsewhere_is_gone() -> None:
    assert takes_tests_away(TouchedFile(path="tests/a.py", fate=Fate.DELETED))
    assert takes_tests_away(TouchedFile(path="old/a.py", fate=Fate.RENAMED, was="tests/a.py"))
    assert not takes_tests_away(TouchedFile(path="tests/b.py", fate=Fate.RENAMED, was="tests/a.py"))
    assert not takes_tests_away(TouchedFile(path="src/a.py", fate=Fate.DELETED))
    assert not takes_tests_away(TouchedFile(path="tests/a.py", removed=9))


def test_binary_files_count_as_no_lines() -> None:
    binary = TouchedFile(path="a.png", added=None, removed=None)
    text = TouchedFile(path="a.txt", added=2, removed=1)
    assert (binary.is_binary, binary.lines, text.is_binary, text.lines) == (True, 0, False, 3)
    assert diff_of((binary, text)) == DiffStat(files=2, added=2, removed=1)
