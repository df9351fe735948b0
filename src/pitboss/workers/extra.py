"""Imports dask if the extra `workers` is installed, and keeps it quiet (SPEC 14)."""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec
from typing import Any

from pitboss.errors import CommandError


def need_workers(command: str) -> None:
    """Raise CommandError if what `command` needs of the extra `workers` is not installed."""
    if find_spec("distributed") is None:
        raise CommandError(
            f"`pitboss {command}` needs the extra `workers`, which is not installed: distributed",
            hint="install it beside pitboss: `pip install 'pitboss[workers]'`",
        )


_QUIET = {
    "logging": {"distributed": "critical", "distributed.worker": "critical"},
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.system-monitor.interval": "5s",
}
"""pitboss reports what matters; and dask would check itself fifty times a second, for tasks that it never gets."""


def quiet_dask() -> None:
    """Have dask print nothing, and seldom check itself."""
    import dask

    dask.config.set(_QUIET)
    import distributed  # noqa: F401 - it sets up its logging

    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@cache
def engine_version() -> str:
    """The version of dask's engine: runner and workers must have the same."""
    import distributed

    dask: Any = distributed
    return str(dask.__version__)


def serve_no_pages(node: Any) -> None:
    """Close the web server of a scheduler or worker: dask opens one, without a password, dashboard or not."""
    node.http_server.stop()
