"""The TLS files of workers: two sides that have them trust each other, nobody else can read or make them (SPEC 14)."""

from __future__ import annotations

import ssl
import stat
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import CommandError
from pitboss.store import tls_files
from pitboss.store.tls_files import LIFE, TlsFiles, make_tls_files

if TYPE_CHECKING:
    from pathlib import Path


def now() -> datetime:
    return datetime.now(UTC)


def context(purpose: ssl.Purpose, files: TlsFiles, trusted: TlsFiles) -> ssl.SSLContext:
    """As dask makes them: who signed counts, the host name does not."""
    made = ssl.create_default_context(purpose, cafile=str(trusted.authority))
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(files.certificate, files.key)
    return made


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        done = 0
        for side in sides:
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
        if done == len(sides):
            return
    raise AssertionError("no end to this handshake")


def test_two_sides_with_the_files_trust_each_other(tmp_path: Path) -> None:
    files = make_tls_files(tmp_path / "a" / "tls", now())
    assert files == TlsFiles.within(tmp_path / "a" / "tls")
    files.prove()
    shake_hands(
        context(ssl.Purpose.SERVER_AUTH, files, files), context(ssl.Purpose.CLIENT_AUTH, files, files)
    )


def test_a_side_with_other_files_is_not_trusted(tmp_path: Path) -> None:
    files, others = make_tls_files(tmp_path / "a", now()), make_tls_files(tmp_path / "b", now())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(
            context(ssl.Purpose.SERVER_AUTH, others, files), context(ssl.Purpose.CLIENT_AUTH, files, files)
        )
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(
            context(ssl.Purpose.SERVER_AUTH, files, others), context(ssl.Purpose.CLIENT_AUTH, files, files)
        )


def test_files_that_have_run_out_are_not_trusted(tmp_path: Path) -> None:
    files = make_tls_files(tmp_path / "a", now() - LIFE - timedelta(days=1))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake_hands(
            context(ssl.Purpose.SERVER_AUTH, files, files), context(ssl.Purpose.CLIENT_AUTH, files, files)
        )
    with pytest.raises(CommandError, match=r"the certificates in .*/a do not work: certificate has expired"):
        files.prove()


@pytest.mark.parametrize(
    ("mixed", "why"),
    [
        (("ca.pem",), "self-signed certificate in certificate chain|unable to get local issuer"),
        (("key.pem",), "KEY_VALUES_MISMATCH|key values mismatch"),
        (("cert.pem", "key.pem"), "self-signed certificate in certificate chain|unable to get local issuer"),
    ],
)
def test_files_of_two_clusters_that_were_mixed_up_are_found_out(
    tmp_path: Path, mixed: tuple[str, ...], why: str
) -> None:
    files, others = make_tls_files(tmp_path / "a", now()), make_tls_files(tmp_path / "b", now())
    for path, other in zip(files, others, strict=True):
        if path.name in mixed:
            path.write_bytes(other.read_bytes())
    with pytest.raises(CommandError, match=f"do not work: .*({why})"):
        files.prove()
    files.authority.write_text("no certificate")
    with pytest.raises(CommandError, match="do not work: "):
        files.prove()


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    files = make_tls_files(tmp_path / "tls", now())
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * 3
    files.key.chmod(0o640)
    with pytest.raises(CommandError, match=r"key\.pem can be read by others"):
        files.check()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("mine")
    with pytest.raises(CommandError, match=r"key\.pem exists already"):
        make_tls_files(tmp_path, now())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("key.pem", "mine")]


def test_of_two_that_make_them_at_once_one_is_told(tmp_path: Path) -> None:
    (tmp_path / ".cert.pem.tmp").touch()  # the other's, just being written
    with pytest.raises(CommandError, match=r"cert\.pem is being made by somebody else"):
        make_tls_files(tmp_path, now())


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"cannot create .*: Not a directory"):
        make_tls_files(tmp_path / "file" / "tls", now())


def test_without_cryptography_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(CommandError) as caught:
        make_tls_files(tmp_path, now())
    assert "pip install 'pitboss[workers]'" in (caught.value.hint or "")
    assert tls_files.TlsFiles.within(tmp_path).key.exists() is False


@pytest.mark.parametrize("missing", ["ca.pem", "cert.pem", "key.pem"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    make_tls_files(tmp_path, now())
    (tmp_path / missing).unlink()
    with pytest.raises(CommandError, match=f"{missing} is not there"):
        TlsFiles.within(tmp_path).check()
    (tmp_path / missing).mkdir()
    with pytest.raises(CommandError, match=f"{missing} is not there"):
        TlsFiles.within(tmp_path).check()
