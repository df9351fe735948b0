"""Where people and programs keep keys, logins and sockets that open doors, from the home directory (SPEC 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = (
    ".ssh",
    ".gnupg",
    ".password-store",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".config/op",
    ".config/sops/age",
    ".config/age",
    ".vault-token",
    ".netrc",
    ".pgpass",
    ".my.cnf",
)
CLOUDS = (
    ".aws",
    ".azure",
    ".boto",
    ".bluemix",
    ".config/doctl",
    ".config/gcloud",
    ".config/hcloud",
    ".config/linode-cli",
    ".config/rclone",
    ".config/scw",
    ".docker",
    ".kube",
    ".oci",
    ".s3cfg",
    ".terraform.d/credentials.tfrc.json",
    ".terraformrc",
    ".fly",
    ".config/containers/auth.json",
)
FORGES = (
    ".config/gh",
    ".config/glab-cli",
    ".config/hub",
    ".config/tea",
    ".config/git/credentials",
    ".git-credentials",
)
PACKAGE_MANAGERS = (
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".composer/auth.json",
    ".config/composer/auth.json",
    ".config/pypoetry/auth.toml",
    ".config/uv/credentials",
    ".gem/credentials",
    ".gradle/gradle.properties",
    ".local/share/gem/credentials",
    ".local/share/uv/credentials",
    ".m2/settings-security.xml",
    ".m2/settings.xml",
    ".npmrc",
    ".pypirc",
    ".yarnrc",
    ".yarnrc.yml",
)
BROWSERS = (
    ".mozilla",
    ".thunderbird",
    ".config/BraveSoftware",
    ".config/chromium",
    ".config/google-chrome",
    ".config/microsoft-edge",
    ".config/opera",
    ".config/vivaldi",
    ".librewolf",
    ".var/app/com.brave.Browser",
    ".var/app/com.google.Chrome",
    ".var/app/org.chromium.Chromium",
    ".var/app/org.mozilla.firefox",
    "snap/chromium",
    "snap/firefox",
)
SECRETS = (*KEYS, *CLOUDS, *FORGES, *PACKAGE_MANAGERS, *BROWSERS)

SOCKETS = ("/run", "/var/run")
"""Folders of sockets: of docker, of the desktop, of agents for keys."""

USED_OF_SOCKETS = (
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/connman",
    "/run/current-system",
    "/run/booted-system",
    "/run/opengl-driver",
    "/run/wrappers",
)
"""What programs need of them: how names are resolved, and on NixOS the programs themselves."""

CACHES = (".cache", ".npm/_cacache", ".cargo/registry", ".cargo/git", ".m2/repository")
"""What is writable by default: downloads, which any program can fetch again. No programs, settings or logins."""

_NAMING_SOCKETS = (
    *("SSH_AUTH_SOCK", "GPG_AGENT_INFO", "WAYLAND_DISPLAY", "PULSE_SERVER"),
    *("DOCKER_HOST", "CONTAINER_HOST", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"),
)
_PREFIXES = ("unix://", "unix:path=", "unix:")


def named_sockets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The sockets that variables of the environment name, wherever they are."""
    return tuple(path for name in _NAMING_SOCKETS if (path := _socket(environ.get(name, ""))))


def _socket(value: str) -> str | None:
    """The path in an address such as `unix:path=/run/user/1000/bus,guid=1` or `/tmp/gpg/S.agent:0:1`."""
    prefix = next((prefix for prefix in _PREFIXES if value.startswith(prefix)), "")
    path = value.removeprefix(prefix).partition(",")[0].partition(":")[0]
    return path if path.startswith("/") else None
