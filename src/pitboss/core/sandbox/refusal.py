"""Explains why a machine cannot make a sandbox, and what to do about it (SPEC 13)."""

from __future__ import annotations

import msgspec

MESSAGE = "the sandbox does not work here"

_ELSE = 'or choose a wrapper with [sandbox] mode = "command", or none with `--sandbox off`'
_INSTALL = (
    "install bubblewrap: `sudo apt install bubblewrap`, or dnf, pacman, zypper or apk with the same name"
)
_NOT_LINUX = 'bubblewrap needs Linux: choose a wrapper with [sandbox] mode = "command", or mode = "off"'
_APPARMOR = (
    "AppArmor keeps bubblewrap from making user namespaces: allow it with `printf 'abi <abi/4.0>,\\nprofile bwrap "
    "/usr/bin/bwrap flags=(unconfined) { userns, }\\n' | sudo tee /etc/apparmor.d/bwrap && sudo apparmor_parser -r "
    "/etc/apparmor.d/bwrap`"
)
_CLONE = "users may make no namespaces: allow it with `sudo sysctl -w kernel.unprivileged_userns_clone=1`"
_NONE_LEFT = "no user namespaces are allowed: allow them with `sudo sysctl -w user.max_user_namespaces=15000`"
_CONTAINER = (
    "this is a container that may make no namespaces: start it with `--security-opt seccomp=unconfined --security-opt "
    'apparmor=unconfined --security-opt systempaths=unconfined`, or let it be the sandbox, with mode = "off"'
)
_MASKED = "Can't mount proc"
"""What bubblewrap says where parts of /proc are hidden, as only containers do."""
_KERNEL = "the kernel must allow bubblewrap to make namespaces for you"


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen when bubblewrap was tried, or could not be: what it `said`, and what may keep it from working.

    `apparmor`: programs without a profile may make no user namespaces. `clone`: a switch of the kernel allows them to
    users. `most`: how many there may be. The last two are None where the system has no such switch.
    """

    linux: bool = True
    installed: bool = True
    said: str = ""
    apparmor: bool = False
    clone: bool | None = None
    most: int | None = None
    container: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no sandbox, in a sentence, and what to do about it."""

    message: str
    hint: str


def refusal(signs: Signs) -> Refusal:
    """What to tell of a sandbox that could not be made."""
    if not signs.linux:
        return Refusal(f"{MESSAGE}: this system has no bubblewrap", _NOT_LINUX)
    if not signs.installed:
        return Refusal(f"{MESSAGE}: bubblewrap is not installed", f"{_INSTALL}; {_ELSE}")
    why = signs.said.strip().removeprefix("bwrap: ") or "bubblewrap failed without a word"
    return Refusal(f"{MESSAGE}: {why}", f"{_remedy(signs)}; {_ELSE}")


def _remedy(signs: Signs) -> str:
    if signs.most == 0:
        return _NONE_LEFT
    if signs.clone is False:
        return _CLONE
    if signs.container or _MASKED in signs.said:
        return _CONTAINER
    return _APPARMOR if signs.apparmor else _KERNEL
