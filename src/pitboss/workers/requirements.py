"""What a run with workers needs before it may begin (SPEC 14)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.cluster import LocalWorkers, parse_cluster
from pitboss.core.config import SandboxMode
from pitboss.errors import CommandError, StartError
from pitboss.store.tls_files import TlsFiles

if TYPE_CHECKING:
    from pitboss.core.config import Config


def require_workers(address: str, config: Config) -> None:
    """Raise StartError if sessions could never reach the workers at `address`, or agents would get around a sandbox."""
    where = parse_cluster(address)
    needed = ("distributed", "cryptography") if isinstance(where, LocalWorkers) else ("distributed",)
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise StartError(
            f"`--workers` needs the extra `workers`, which is not installed: {', '.join(missing)}",
            hint="install it beside pitboss: `pip install 'pitboss[workers]'`",
        )
    if isinstance(where, LocalWorkers):
        return
    if where.is_encrypted:
        _require_certificates(address, config.workers.tls)
    elif config.sandbox.mode is SandboxMode.BWRAP and config.sandbox.network == "open":
        raise StartError(
            f"a sandbox with an open network does not hold beside {address}, which asks nobody for a certificate",
            hint='use a scheduler at tls://, or `local:N`, or [sandbox] network = "none"',
        )


def _require_certificates(address: str, tls: str | None) -> None:
    if tls is None:
        raise StartError(
            f"{address} is reached by TLS, for which this machine needs certificates",
            hint="[workers] tls names the folder that `pitboss workers cert DIR` made",
        )
    try:
        TlsFiles.within(Path(tls).expanduser()).prove()
    except CommandError as error:
        raise StartError(error.message, hint=error.hint) from error
