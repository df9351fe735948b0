"""`pitboss worker`: run sessions on this machine for runs elsewhere (SPEC 8, 14)."""

from __future__ import annotations

import os
from pathlib import Path

from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.failures import exit_code
from pitboss.cli.shared.given import folder, scheduler, whole, worker_name

MOST_SLOTS = 1000


@command()
@argument("address", type=scheduler, metavar="ADDRESS")
@option("--slots", type=whole(1, MOST_SLOTS), metavar="N", help="Sessions at once; default: 1.")
@option(
    "--dir", "where", type=folder, metavar="DIR", help="Clones and slots; default: ~/.cache/pitboss/worker."
)
@option(
    "--name", type=worker_name, metavar="NAME", help="What it is called; default: the name of this machine."
)
@option("--tls", type=folder, metavar="DIR", help="The folder with the TLS files of this machine.")
@option(
    "--leave-with-scheduler", is_flag=True, help="End when the scheduler does, instead of waiting for it."
)
def worker(
    *,
    address: str,
    slots: int | None,
    where: Path | None,
    name: str | None,
    tls: Path | None,
    leave_with_scheduler: bool,
) -> int:
    """Run sessions on this machine, for runs that use the dask scheduler at ADDRESS.

    Agents use this machine's logins. A clone of each repository is kept in --dir, and what a session did stays there
    until it has reached its run. The first Ctrl-C takes no more sessions and lets those in flight finish; the second
    ends them, as SIGTERM does at once.
    """
    from pitboss.workers.extra import need_workers

    need_workers("worker")
    from pitboss.workers.requirements import require_certificates
    from pitboss.workers.worker_process import Setup, run_worker

    require_certificates(address, tls)
    chosen = where or Path.home() / ".cache" / "pitboss" / "worker"
    return run_worker(
        Setup(
            address=address,
            name=name or os.uname().nodename,
            slots=slots or 1,
            folder=str(chosen.absolute()),
            tls=None if tls is None else str(tls.absolute()),
            stays=not leave_with_scheduler,
        ),
        exit_code,
    )
