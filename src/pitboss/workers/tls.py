"""The TLS settings of dask, from the files of a cluster (SPEC 14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pitboss.store.tls_files import TlsFiles


def security(tls: str | None) -> Any:
    """The settings for the files in a folder; None for a connection on this machine. Raises CommandError."""
    if tls is None:
        return None
    from distributed import security as dask_security

    made: Any = dask_security
    files = TlsFiles.within(Path(tls).expanduser())
    files.check()
    authority, certificate, key = map(str, files)
    sides = ("client", "worker", "scheduler")
    pairs = {f"tls_{side}_cert": certificate for side in sides} | {f"tls_{side}_key": key for side in sides}
    return made.Security(require_encryption=True, tls_ca_file=authority, **pairs)
