"""Where a run's workers are: worker processes here, or a dask scheduler (SPEC 14)."""

from __future__ import annotations

import msgspec

from pitboss.core.fields import Wrong, one_line, shown
from pitboss.core.patterns import lazy_pattern

MOST_LOCAL = 1000
"""Worker processes on one machine."""

_SCHEDULER = lazy_pattern(r"(tls|tcp)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_LOCAL = lazy_pattern(r"local:([0-9]{1,6})")
_LOOPBACK = lazy_pattern(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")


class LocalWorkers(msgspec.Struct, frozen=True):
    """Worker processes on the runner's machine, which start and end with the run."""

    number: int

    def __str__(self) -> str:
        return f"local:{self.number}"


class Scheduler(msgspec.Struct, frozen=True):
    """A dask scheduler that runs anyway; its workers come and go."""

    address: str

    @property
    def is_encrypted(self) -> bool:
        """Whether it is reached by TLS, for which both sides need certificates."""
        return self.address.startswith("tls:")

    @property
    def loopback(self) -> str | None:
        """The host by which it is reached if that is this machine alone."""
        found = _SCHEDULER.fullmatch(self.address)
        return found[2].strip("[]") if found and _LOOPBACK.fullmatch(found[2]) else None

    def __str__(self) -> str:
        return self.address


Cluster = LocalWorkers | Scheduler


NO_WORKERS = "none"
"""Given instead of an address: sessions run on this machine, whatever the configuration says."""


def parse_cluster(value: object) -> Cluster:
    """The cluster that an address stands for: `local:N`, `tls://HOST:PORT`, or `tcp://` on this machine alone.

    Raises Wrong, which says what an address must be.
    """
    text = one_line(value)
    if (local := _LOCAL.fullmatch(text)) is not None:
        if not 1 <= int(local[1]) <= MOST_LOCAL:
            raise Wrong(f"must be local:1 to local:{MOST_LOCAL}, not {shown(text)}")
        return LocalWorkers(int(local[1]))
    return _scheduler(text, "local:N or tls://HOST:PORT")


def is_elsewhere(address: str | None) -> bool:
    """Whether sessions of a run with this address work on workers that may be other machines. Raises Wrong."""
    return address is not None and isinstance(parse_cluster(address), Scheduler)


def parse_scheduler(value: object) -> Scheduler:
    """The scheduler at an address, as a worker is given it. Raises Wrong."""
    text = one_line(value)
    if _LOCAL.fullmatch(text) is not None:
        raise Wrong(f"must be tls://HOST:PORT: a run with {shown(text)} starts its own workers")
    return _scheduler(text, "tls://HOST:PORT")


def _scheduler(text: str, forms: str) -> Scheduler:
    found = _SCHEDULER.fullmatch(text)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise Wrong(f"must be {forms}, not {shown(text)}")
    if found[1] == "tcp" and not _LOOPBACK.fullmatch(found[2]):
        raise Wrong(f"must begin with tls://, since {found[2]} is another machine; tcp:// is for this one")
    return Scheduler(text)
