"""Certificates of workers: made by `pitboss workers cert`, used by a scheduler, a worker and a run (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.cli import Project, wait_until
from tests.support.cluster import cluster_beside
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_session_runs_on_a_worker_that_is_reached_by_tls_alone(project: Project, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    made = project.pitboss("workers", "cert", str(tls))
    assert made.code == 0, made
    assert made.out.split() == [str(tls / name) for name in ("ca.pem", "cert.pem", "key.pem")]
    project.prompt("alpha", "echo text > alpha.txt", parallel_safe=True, max_runs=1)
    project.write(
        ".pitboss/config.toml", f'[agent]\nbackend = "shell"\n[workers]\ntls = "{tls}"\nlost_after_s = 20\n'
    )
    with cluster_beside(project, tmp_path / "cluster", tls) as cluster:
        assert cluster.address.startswith("tls://")
        cluster.worker("anna")
        done = project.pitboss("grind", "--workers", cluster.address)
        assert done.code == 0, done
        strangers = tmp_path / "strangers"
        assert project.pitboss("workers", "cert", str(strangers)).code == 0
        refused = project.pitboss("workers", cluster.address, "--tls", str(strangers))
        assert (refused.code, refused.out) == (1, "")
        assert "its certificate is from another authority than ours" in refused.err
        cluster.worker("ben", "--tls", str(strangers), awaited=False)
        wait_until(lambda: "its certificate is from another authority than ours" in cluster.said("ben"))
    run = the_run(project)
    assert [(record["status"], record["host"]) for record in run.records] == [("ok", "anna")]
    assert run.files(run.branch)["alpha.txt"] == "text\n"


def test_cert_overwrites_nothing_and_says_what_is_wrong(project: Project, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("mine")
    refused = project.pitboss("workers", "cert", str(tmp_path))
    assert refused.code == 1
    assert f"{tmp_path}/key.pem exists already" in refused.err
    assert (tmp_path / "key.pem").read_text() == "mine"
    assert project.pitboss("workers", "tls://h:1", "more").code == 4
    assert project.pitboss("workers", "tcp://elsewhere:1").code == 4


def test_a_key_that_others_may_read_is_refused(project: Project, tmp_path: Path) -> None:
    tls = tmp_path / "the tls"
    made = project.pitboss("workers", "cert", str(tls))
    assert f"--tls-key '{tls}/key.pem'" in made.err
    assert f"--tls '{tls}'`" in made.err
    (tls / "key.pem").chmod(0o644)
    refused = project.pitboss("workers", "tls://127.0.0.1:1", "--tls", str(tls))
    assert refused.code == 1
    assert f"key.pem can be read by others\nhint: chmod 600 '{tls}/key.pem'\n" in refused.err
