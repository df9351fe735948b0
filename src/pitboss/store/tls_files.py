"""The TLS files of a cluster: one authority, and one certificate for scheduler, workers and runners (SPEC 14).

Whoever has them may have the workers run programs, so only their owner may read them. The authority's own key is kept
nowhere: nobody can add a certificate, and new files replace all of them. Dask checks who signed a certificate, not the
host name in it.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from pitboss.errors import CommandError
from pitboss.store.files import write_new
from pitboss.store.opening import PRIVATE_FOLDER, status

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from ssl import SSLContext

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LIFE = timedelta(days=3650)
_SKEW = timedelta(days=1)
"""How far the clock of a machine may be behind that of the one that made the files."""


class TlsFiles(NamedTuple):
    """Where they are: the authority's certificate, this side's, and its key, all PEM."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def within(cls, folder: Path) -> TlsFiles:
        """The names that the files have in a folder."""
        return cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")

    def check(self) -> None:
        """Raises CommandError if one is missing, or if others may read the key."""
        for path in self:
            found = status(path.resolve())
            if found is None or not stat.S_ISREG(found.st_mode):
                raise CommandError(
                    f"{path} is not there",
                    hint="`[workers] tls` or --tls names the folder with ca.pem, cert.pem and key.pem",
                )
            if path == self.key and found.st_mode & 0o077:
                from shlex import quote

                raise CommandError(f"{path} can be read by others", hint=f"chmod 600 {quote(str(path))}")

    def prove(self) -> None:
        """Raises CommandError also if they do not work with each other, or not any longer."""
        self.check()
        _greet(self)


def _greet(files: TlsFiles) -> None:
    """Have two ends with these files greet each other, in memory: what is wrong with them shows here too."""
    import ssl

    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        client = _end(files, ssl.PROTOCOL_TLS_CLIENT).wrap_bio(here, there)
        server = _end(files, ssl.PROTOCOL_TLS_SERVER).wrap_bio(there, here, server_side=True)
        for side in (client, server, client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise _useless(files, error.verify_message) from error
    except (ssl.SSLError, OSError) as error:
        raise _useless(files, error.strerror or str(error)) from error


def _end(files: TlsFiles, protocol: int) -> SSLContext:
    import ssl

    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(files.authority)
    context.load_cert_chain(files.certificate, files.key)
    return context


def _useless(files: TlsFiles, why: str) -> CommandError:
    folder = files.authority.parent
    return CommandError(
        f"the certificates in {folder} do not work: {why}",
        hint="`pitboss workers cert NEW_DIR` makes new ones, which go to every machine of the cluster",
    )


def make_tls_files(folder: Path, now: datetime) -> TlsFiles:
    """Make them in `folder`, which is created if missing; valid for ten years from `now`, which is in UTC.

    Raises CommandError if that cannot be, if one is there already or `cryptography` is not installed; StorageError if
    writing fails.
    """
    files = TlsFiles.within(folder)
    for path in files:
        if status(path) is not None:
            raise CommandError(
                f"{path} exists already", hint="workers that use it would be locked out: name a new folder"
            )
    contents = _generated(now)
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"cannot create {folder}: {error.strerror}", hint="name another folder") from error
    for path, content in zip(files, contents, strict=True):
        if not write_new(path, content):
            raise CommandError(f"{path} is being made by somebody else", hint="name a new folder")
    return files


def _generated(now: datetime) -> tuple[bytes, bytes, bytes]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError:
        raise CommandError(
            "making certificates needs the package cryptography",
            hint="`pip install 'pitboss[workers]'`; or make `ca.pem`, `cert.pem` and `key.pem` with openssl",
        ) from None
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("pitboss workers", authority_key, None, authority_key, now)
    certificate = _certificate("pitboss worker", key, authority, authority_key, now)
    pem = serialization.Encoding.PEM
    return (
        authority.public_bytes(pem),
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _certificate(
    name: str,
    key: EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signing: EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    """A certificate of `key`, signed with `signing`; without an issuer it is its own, and may sign others."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    is_authority = issuer is None
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), True)
        .add_extension(usage, True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False)
    )
    return made.sign(signing, hashes.SHA256())
