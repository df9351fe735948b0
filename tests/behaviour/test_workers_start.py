"""A run, or a worker, that could never reach the other says so at once (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.extras import hide
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n')
    project.prompt("alpha", "true", parallel_safe=True, max_runs=1)
    return project


def assert_no_run(project: Project, address: str, *words: str) -> None:
    refused = project.pitboss("grind", "--workers", address)
    assert (refused.code, refused.out) == (4, ""), refused
    assert all(word in refused.err for word in words), refused
    assert not list(project.root.glob(".pitboss/grind/runs/*"))
    assert project.git("branch", "--list", "pitboss/*") == ""


@pytest.mark.parametrize("name", ["distributed", "cryptography"])
def test_without_the_extra_no_run_begins(project: Project, tmp_path: Path, name: str) -> None:
    hide(project, tmp_path / "hidden", name)
    assert_no_run(project, "local:1", f"not installed: {name}", "pip install 'pitboss[workers]'")


def test_without_certificates_no_run_begins_that_needs_them(project: Project, tmp_path: Path) -> None:
    assert_no_run(project, f"tls://{NOWHERE}", "needs certificates", "[workers] tls")
    project.write(".pitboss/config.toml", f'[agent]\nbackend = "shell"\n[workers]\ntls = "{tmp_path}/none"\n')
    assert_no_run(project, f"tls://{NOWHERE}", f"{tmp_path}/none/ca.pem is not there")


def test_a_sandbox_is_not_combined_with_a_scheduler_that_lets_its_agents_out(project: Project) -> None:
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n[sandbox]\nmode = "bwrap"\n')
    assert_no_run(project, f"tcp://{NOWHERE}", "asks nobody for a certificate", "tls://")


def test_a_worker_without_its_certificates_says_which_are_missing(project: Project, tmp_path: Path) -> None:
    refused = project.pitboss("worker", f"tls://{NOWHERE}", "--tls", str(tmp_path / "none"))
    assert (refused.code, refused.out) == (1, ""), refused
    assert "none/ca.pem is not there" in refused.err


def test_a_worker_that_cannot_begin_says_why(project: Project, tmp_path: Path) -> None:
    (tmp_path / "begun").write_text("")
    failed = project.pitboss("worker", f"tcp://{NOWHERE}", "--dir", str(tmp_path))
    assert (failed.code, failed.out) == (70, ""), failed
    assert failed.err.startswith("error: internal error: FileExistsError: "), failed


def test_workers_of_a_scheduler_are_not_listed_without_its_certificates(project: Project) -> None:
    refused = project.pitboss("workers", f"tls://{NOWHERE}")
    assert (refused.code, refused.out) == (1, ""), refused
    assert "--tls DIR" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ("worker", "tcp://127.0.0.1:1", "--dir", ""),
        ("workers", "tls://127.0.0.1:1", "--tls", ""),
        ("workers", "cert", ""),
        ("grind", "--prompts-dir", ""),
    ],
)
def test_an_empty_folder_is_refused_and_nothing_is_made(project: Project, words: tuple[str, ...]) -> None:
    refused = project.pitboss(*words)
    assert (refused.code, "Traceback" in refused.err) == (4, False), refused
    assert project.git("status", "--porcelain") == ""


def test_cert_for_a_folder_that_cannot_be_says_so(project: Project) -> None:
    project.write("file", "")
    for place in ("file", "file/inside"):
        refused = project.pitboss("workers", "cert", place)
        assert (refused.code, refused.err.splitlines()[1]) == (1, "hint: name another folder")


def test_cert_without_a_folder_says_that_it_needs_one(project: Project) -> None:
    refused = project.pitboss("workers", "cert")
    assert refused.code == 4
    assert "cert needs the folder" in refused.err


def test_a_run_works_at_home_although_workers_are_configured_if_it_is_told_so_and_stays_there(
    project: Project,
) -> None:
    configure(project, more='[workers]\naddress = "local:1"\n')
    project.prompt("alpha", "echo x > $PITBOSS_SESSION_SEQ.txt", max_runs=2)
    assert project.pitboss("grind", "--workers", "none", "--max-iterations", "1").code == 3
    assert project.pitboss("grind", "--resume", "--max-iterations", "none").code == 0
    assert [(record["status"], record.get("host")) for record in the_run(project).records] == [
        ("ok", None)
    ] * 2
