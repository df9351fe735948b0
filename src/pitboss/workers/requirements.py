"""Checks what a run with workers, a worker, or a list of workers needs before it begins (SPEC 14)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.cluster import LocalWorkers, parse_cluster, parse_scheduler
from pitboss.core.config import SandboxMode
from pitboss.errors import CommandError, StartError
from pitboss.store.tls_files import TlsFiles

if TYPE_CHECKING:
    from pitboss.core.config import Config


def require_workers(address: str, config: Config) -> None:
    """Raise StartError if sessions could never reach the workers at `address`, or agents could get around a sandbox."""
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
        tls = config.workers.tls
        try:
            require_certificates(
                address,
                None if tls is None else Path(tls).expanduser(),
                hint="[workers] tls names the folder that `pitboss workers cert DIR` made",
            )
        except CommandError as error:
            raise StartError(error.message, hint=error.hint) from error
    elif config.sandbox.mode is SandboxMode.BWRAP and config.sandbox.network == "open":
        raise StartError(
            f"a sandbox with an open network does not hold beside {address}, which asks nobody for a certificate",
            hint='use a scheduler at tls://, or `local:N`, or [sandbox] network = "none"',
        )


def require_certificates(
    address: str | None,
    tls: Path | None,
    *,
    hint: str = "--tls DIR, with what `pitboss workers cert DIR` made",
) -> None:
    """Raise CommandError if a scheduler wants certificates and there are none, or those in `tls` do not work.

    `hint` says where to name them; `address` is None if the run that is live knows it.
    """
    if tls is not None:
        TlsFiles.within(tls).prove()
    elif address is not None and parse_scheduler(address).is_encrypted:
        raise CommandError(
            f"{address} is reached by TLS, for which this machine needs certificates", hint=hint
        )
