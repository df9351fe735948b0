"""`pitboss workers`: who runs sessions, for the live run or at a scheduler; makes their TLS files (SPEC 8, 14)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import folder, scheduler
from pitboss.errors import CommandError
from pitboss.screens.columns import Column
from pitboss.screens.output import say, write_json
from pitboss.screens.table import say_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pitboss.workers.cluster import Membership
    from pitboss.workers.roster import WorkerInfo

_COLUMNS = (
    Column("WORKER", 6, 40),
    Column("HOST", 4, 30),
    Column("PID", 3, 12, gives_way=4),
    Column("SLOTS", 5, 6),
    Column("VERSION", 7, 20, gives_way=3),
    Column("SESSIONS", 8, 20),
    Column("FINISHED", 8, 10, gives_way=2),
    Column("SEEN", 4, 12),
    Column("AGENTS", 10, 1000, gives_way=1, grows=True),
)


@command(asks_click=True)
@argument("words", nargs=-1, metavar="[ADDRESS | cert DIR]", required=False)
@option("--tls", type=folder, metavar="DIR", help="The folder with the TLS files.")
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def workers(*, words: Sequence[str], tls: Path | None, as_json: bool) -> None:
    """List the workers of the live run, or those of the dask scheduler at ADDRESS.

    `cert DIR` makes the TLS files of a new cluster in DIR: the scheduler, every worker and whoever starts a run need
    them.
    """
    match list(words):
        case ["cert", directory] if directory:
            _make_certificates(directory)
        case ["cert"] | ["cert", _]:
            from click import UsageError

            raise UsageError("cert needs the folder to make: pitboss workers cert DIR")
        case [] | [_]:
            _list(_address(words), tls, as_json=as_json)
        case _:
            from click import UsageError

            raise UsageError("give one ADDRESS, or cert and a folder")


def _address(words: Sequence[str]) -> str | None:
    """The address that was given, if any. Raises click's UsageError for a word that is none."""
    try:
        return str(scheduler.parse(words[0])) if words else None
    except ValueError as error:
        from click import UsageError

        raise UsageError(f"ADDRESS {error}") from None


def _make_certificates(directory: str) -> None:
    from pathlib import Path
    from shlex import quote

    from pitboss.screens.output import note
    from pitboss.store.tls_files import make_tls_files

    files = make_tls_files(Path(directory).expanduser(), datetime.now(UTC))
    for path in files:
        say(str(path))
    note("copy all three to every machine, safely: whoever has them can run programs on the workers")
    authority, certificate, key = (quote(str(path)) for path in files)
    names = f"--tls-ca-file {authority} --tls-cert {certificate} --tls-key {key}"
    note(f"then start `dask scheduler --protocol tls {names} --dashboard-address 127.0.0.1:0`")
    note(
        f"`pitboss worker tls://HOST:8786 --tls {quote(str(files.key.parent))}` and `[workers] tls` use them"
    )


def _list(address: str | None, tls: Path | None, *, as_json: bool) -> None:
    from pitboss.workers.extra import need_workers

    need_workers("workers")
    from pitboss.workers.cluster import Membership, members
    from pitboss.workers.requirements import require_certificates

    require_certificates(address, tls)
    run_id, where = (
        _live()
        if address is None
        else (None, Membership(address=address, tls=None if tls is None else str(tls)))
    )
    try:
        found = members(where)
    except (OSError, TimeoutError) as error:
        from pitboss.workers.trouble import why

        raise CommandError(
            f"cannot ask the scheduler at {where.address}: {why(error)}",
            hint="`dask scheduler` starts one; `pitboss workers cert` shows how",
        ) from error
    if as_json:
        write_json([_as_json(worker) for worker in found])
    elif not found:
        say("no workers")
    else:
        _print(found, run_id)


def _live() -> tuple[str, Membership]:
    """The live run, and where its workers are."""
    from pitboss.cli.shared.chosen import live_run
    from pitboss.cli.shared.project import project_root
    from pitboss.store.files import read_regular
    from pitboss.store.paths import RunPaths
    from pitboss.typed import from_json
    from pitboss.workers.cluster import Membership

    repo = project_root()
    run_id = live_run(repo, "`pitboss workers ADDRESS` lists those of a scheduler")
    said = read_regular(RunPaths(repo, run_id).workers, 64 * 1024)
    if said is None:
        raise CommandError(f"run {run_id} has no workers: its sessions run here")
    return run_id, from_json(said, Membership)


def _as_json(worker: WorkerInfo) -> dict[str, object]:
    import msgspec

    facts = worker.facts
    return {
        "name": worker.name,
        "host": facts and facts.host,
        "pid": facts and facts.pid,
        "slots": facts and facts.slots,
        "version": facts and facts.version,
        "agents": {} if facts is None else msgspec.to_builtins(facts.agents),
        "seqs": [] if facts is None else sorted(seq for seqs in facts.seqs.values() for seq in seqs),
        "runs": {} if facts is None else facts.seqs,
        "finished": facts and facts.finished,
        "last_seen": datetime.fromtimestamp(worker.last_seen, UTC).isoformat().replace("+00:00", "Z"),
        "unfit": worker.unfit,
    }


def _print(found: tuple[WorkerInfo, ...], run_id: str | None) -> None:
    say_table(_COLUMNS, [_row(worker, run_id) for worker in found])
    for worker in found:
        if worker.unfit is not None:
            say(f"{worker.name} gets no session: {worker.unfit}")


def _in_flight(runs: Mapping[str, Sequence[int]], run_id: str | None) -> str:
    """Sessions by number, those of the live run first; other runs have numbers of their own, so each says of which."""
    own = ",".join(map(str, runs.get(run_id or "", ())))
    others = (
        f"{','.join(map(str, seqs))} of {other.rpartition('-')[2]}"
        for other, seqs in sorted(runs.items())
        if other != run_id
    )
    return "; ".join(filter(None, (own, *others))) or "-"


def _row(worker: WorkerInfo, run_id: str | None) -> tuple[str, ...]:
    from pitboss.workers.roster import agents_shown

    facts = worker.facts
    seen = f"{max(0.0, datetime.now(UTC).timestamp() - worker.last_seen):.0f} s ago"
    if facts is None:
        return (worker.name, "", "", "", "", "", "", seen, "")
    busy = _in_flight(facts.seqs, run_id)
    numbers = (str(facts.pid), str(facts.slots), facts.version, busy, str(facts.finished))
    return (worker.name, facts.host, *numbers, seen, agents_shown(facts.agents) or "none")
