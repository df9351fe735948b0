"""`pitboss serve`: the web page, until Ctrl-C (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.extras import need_screens
from pitboss.cli.shared.given import whole
from pitboss.cli.shared.project import project_root
from pitboss.screens.output import note, say_now

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.screens.desk import Desk

_HOST = "127.0.0.1"


@command()
@option(
    "--port", type=whole(0, 65535), metavar="P", help="The port to listen on (default: any that is free)."
)
@option("--host", metavar="ADDRESS", help=f"The address to listen on (default: {_HOST}).")
@option("--allow-control", is_flag=True, help="Let the page pause, stop and steer runs too.")
@option("--open", "open_it", is_flag=True, help="Open the page in your browser.")
def serve(*, port: int | None, host: str | None, allow_control: bool, open_it: bool) -> None:
    """Show the runs of this repository in a browser, until Ctrl-C.

    The first line of output is the address of the page, with a token. Whoever has the token can read everything
    about the runs, and with --allow-control steer them. By default only this machine can reach the page; with
    another --host, so can everybody who can reach that address, and the connection is not encrypted.
    """
    need_screens("serve")
    from pitboss.screens.web.serving import bound, entry

    host = host or _HOST
    listening = bound(host, port or 0)
    door, address = entry(host, listening, allow_control=allow_control)
    say_now(address)
    _warn(host, allow_control=allow_control)
    if open_it:
        _open(address)
    from pitboss.screens.web.website import serve_website

    repo = project_root()
    serve_website(repo, lambda: _desk(repo), door, listening)


def _desk(repo: Path) -> Desk:
    """What knows git and agents; loading that takes longer than the first page."""
    from pitboss.cli.shared.desk import RepositoryDesk

    return RepositoryDesk(repo)


def _warn(host: str, *, allow_control: bool) -> None:
    from pitboss.screens.web.admission import only_here

    note("Ctrl-C ends this; the runs go on.")
    if not only_here(host):
        steer = " and steer them" if allow_control else ""
        note(
            f"warning: {host} can be reached from other machines: whoever has the token can read the runs{steer}, "
            "and so can whoever listens in, for the connection is not encrypted"
        )


def _open(address: str) -> None:
    """Open the page without waiting for the browser."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
