"""Who may come in: decided from a request's Host, token, cookie, origin and method alone (SPEC 10).

| a request                                          | is refused with |
|----------------------------------------------------|-----------------|
| for a name that is not ours (DNS rebinding)        | 403             |
| without token and cookie                           | 401             |
| with a wrong or old one                            | 403             |
| made by a page of another origin                   | 403             |
| that would change something, while we only show    | 405             |
| that would change something, from an unknown page  | 403             |
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

READING = frozenset({"GET", "HEAD"})
WRITING = "POST"
HTTP_PORT = 80
_LONGEST_PORT = 5
"""How many digits a port has at most; Python refuses to read thousands of them as a number."""

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Decision(StrEnum):
    """What becomes of a request."""

    WELCOME = "welcome"
    REMEMBERED = "remembered"
    WRONG_HOST = "wrong host"
    NO_TOKEN = "no token"  # noqa: S105
    WRONG_TOKEN = "wrong token"  # noqa: S105
    FOREIGN = "foreign"
    READ_ONLY = "read-only"


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets in: its secret, its port, the names it answers to, whether runs may be steered.

    `anywhere` means that it listens on every address of the machine, so that any IP address may be its name.
    """

    token: str
    port: int
    names: frozenset[str] = _LOOPBACK_NAMES
    anywhere: bool = False
    allow_control: bool = False

    @property
    def cookie(self) -> str:
        """The cookie that stands for the token; servers on other ports have their own."""
        return f"pitboss_{self.port}"


class RequestHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says about itself; None is what it does not say.

    `fetch_site` and `fetch_mode` are what browsers say about the page that made it.
    """

    method: str
    host: str | None
    token: str | None = None
    cookie: str | None = None
    origin: str | None = None
    fetch_site: str | None = None
    fetch_mode: str | None = None


def decide(head: RequestHead, door: Door) -> Decision:
    """Whether a request may come in, and if not, why."""
    if not _is_ours(head.host or "", door):
        return Decision.WRONG_HOST
    known = _known(head, door)
    if known not in (Decision.WELCOME, Decision.REMEMBERED):
        return known
    if _made_elsewhere(head):
        return Decision.FOREIGN
    if head.method in READING:
        return known
    return _of_writing(head, door) or known


def names_for(address: str, own_name: str) -> tuple[frozenset[str], bool]:
    """The names a server bound to `address` answers to, and whether any IP address of the machine is one.

    Names that a stranger could make resolve to this machine are never among them.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return _LOOPBACK_NAMES | {address.lower()}, False
    if parsed.is_unspecified:
        return _LOOPBACK_NAMES | {own_name.lower()}, True
    if parsed.is_loopback:
        return _LOOPBACK_NAMES | {str(parsed)}, False
    return frozenset({str(parsed), own_name.lower()}), False


def only_here(address: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def split_host(host: str) -> tuple[str, int] | None:
    """The name and port of a Host header; None if it is not well formed."""
    name, colon, port = host.rpartition(":")
    if host.startswith("["):
        closed = host.find("]")
        name, port = host[1:closed], host[closed + 2 :]
        colon = host[closed + 1 : closed + 2]
        if closed < 0 or colon not in ("", ":"):
            return None
    elif not colon:
        name, port = host, ""
    if colon and not (port.isascii() and port.isdecimal() and len(port) <= _LONGEST_PORT):
        return None
    return name.lower(), int(port) if colon else HTTP_PORT


def cookies(header: str | None) -> Mapping[str, str]:
    """The cookies of a request; of two with one name, the first counts."""
    found: dict[str, str] = {}
    for pair in (header or "").split(";"):
        name, given, value = pair.strip().partition("=")
        if given:
            found.setdefault(name, value)
    return found


def _is_ours(host: str, door: Door) -> bool:
    split = split_host(host)
    if split is None or split[1] != door.port:
        return False
    return split[0] in door.names or (door.anywhere and _is_address(split[0]))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _known(head: RequestHead, door: Door) -> Decision:
    by_token, by_cookie = _same(head.token, door.token), _same(head.cookie, door.token)
    if by_token:
        return Decision.REMEMBERED
    if by_cookie:
        return Decision.WELCOME
    nothing = head.token is None and head.cookie is None
    return Decision.NO_TOKEN if nothing else Decision.WRONG_TOKEN


def _same(given: str | None, secret: str) -> bool:
    """Compare in a time that does not depend on how much of the secret was guessed."""
    return hmac.compare_digest((given or "").encode(errors="replace"), secret.encode())


def _made_elsewhere(head: RequestHead) -> bool:
    """Whether another site's page asks, except by a link that a person follows."""
    if head.origin is not None and head.origin != f"http://{head.host}":
        return True
    return head.fetch_site in ("cross-site", "same-site") and head.fetch_mode != "navigate"


def _of_writing(head: RequestHead, door: Door) -> Decision | None:
    if head.method != WRITING or not door.allow_control:
        return Decision.READ_ONLY
    return Decision.FOREIGN if head.origin is None else None
