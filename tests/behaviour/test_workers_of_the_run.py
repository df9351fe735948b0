"""Who can speak to the scheduler and the workers of `--workers local:N`: the run that started them alone (SPEC 14)."""

from __future__ import annotations

import json
import socket
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pitboss import proctree
from pitboss.store.tls_files import TlsFiles
from tests.support.cli import PATIENCE_S, Project, wait_until
from tests.support.runs import Gate, configure, the_run

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

TAG = "PITBOSS_TEST_OF"
NOT_TLS = b"GET / HTTP/1.0\r\n\r\n" * 20
ALERT = b"\x15"
"""The first byte of what a TLS server says before it hangs up."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.env[TAG] = str(tmp_path)
    configure(project)
    return project


def listening(tmp_path: Path) -> AbstractSet[tuple[str, int]]:
    """Where the processes of the test wait for connections."""
    import psutil

    connections: Any = psutil.net_connections("tcp")
    ours = set(proctree.carrying({TAG: str(tmp_path)}, since=0))
    return {tuple(each.laddr) for each in connections if each.pid in ours and each.status == "LISTEN"}


def said(where: tuple[str, int], files: TlsFiles | None, trusted: TlsFiles) -> bytes:
    """What dask's side says to somebody with those files: it speaks first, to whomever it takes."""
    context = ssl.create_default_context(cafile=trusted.authority)
    context.check_hostname = False
    if files is not None:
        context.load_cert_chain(files.certificate, files.key)
    with (
        suppress(ssl.SSLError, ConnectionError),
        socket.create_connection(where, PATIENCE_S) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        return encrypted.recv(1)
    return b""


def said_without_tls(where: tuple[str, int]) -> bytes:
    """What it says to somebody who speaks no TLS."""
    with suppress(ConnectionError), socket.create_connection(where, PATIENCE_S) as plain:
        plain.sendall(NOT_TLS)
        return plain.recv(1)
    return b""


def test_nobody_without_the_certificate_of_the_run_can_speak_to_its_scheduler_or_its_workers(
    project: Project, tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"{gate.script}; echo text > alpha.txt", parallel_safe=True, max_runs=1)
    assert project.pitboss("workers", "cert", str(tmp_path / "strangers")).code == 0
    strangers = TlsFiles.within(tmp_path / "strangers")
    with project.started("grind", "--workers", "local:2") as process:
        gate.wait()
        wait_until(lambda: len(project.pitboss("workers", "--json").json()) == 2)
        run = the_run(project)
        note = json.loads((run.folder / "workers.json").read_text())
        assert note["address"].startswith("tls://127.0.0.1:")
        own = TlsFiles.within(Path(note["tls"]))
        assert own.key.is_relative_to(run.folder)
        assert stat.S_IMODE(own.key.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(own.key.stat().st_mode) == 0o600
        wait_until(lambda: len(listening(tmp_path)) == 5)  # dask opens web servers, which are closed at once
        for where in listening(tmp_path):
            assert where[0] == "127.0.0.1"
            assert said(where, own, own) != b""
            assert said(where, None, own) == b""
            assert said(where, strangers, own) == b""
            assert said_without_tls(where) in (b"", ALERT)
        gate.open()
        assert process.wait(PATIENCE_S) == 0
    assert [(record["status"], record["host"][:6]) for record in run.records] == [("ok", "local-")]
    assert not own.key.parent.exists()
    assert listening(tmp_path) == set()


def test_a_resumed_run_makes_new_certificates(project: Project, tmp_path: Path) -> None:
    gates = [Gate(tmp_path / f"gate-{seq}") for seq in (1, 2)]
    waits = "; ".join(
        f'[ "$PITBOSS_SESSION_SEQ" != {seq} ] || {{ {gate.script}; }}' for seq, gate in enumerate(gates, 1)
    )
    project.prompt("alpha", waits, parallel_safe=True, max_runs=2)
    with project.started("grind", "--workers", "local:1") as process:
        gates[0].wait()
        run = the_run(project)
        before = TlsFiles.within(run.folder / "workers" / "tls").authority.read_bytes()
        process.kill()
        wait_until(lambda: proctree.carrying({TAG: str(tmp_path)}, since=0) == [])
    with project.started("grind", "--resume") as process:
        gates[1].wait()
        assert TlsFiles.within(run.folder / "workers" / "tls").authority.read_bytes() != before
        gates[1].open()
        assert process.wait(PATIENCE_S) == 0
    assert not (run.folder / "workers" / "tls").exists()


def test_it_leaves_nothing_where_other_users_may_write(project: Project, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    project.env["TMPDIR"] = str(shared)
    project.prompt("alpha", "echo work > work.txt", max_runs=1, parallel_safe=True)
    assert project.pitboss("grind", "--workers", "local:1").code == 0
    assert list(shared.iterdir()) == []
    left = [place.name for place in (the_run(project).folder / "workers").iterdir() if place.is_dir()]
    assert not {"tls", "scheduler"} & set(left)
