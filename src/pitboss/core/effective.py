"""Every setting that is in force, by the name it has in config.toml, and whether the file says so (SPEC 8). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.core.redact import REDACTED, without_userinfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pitboss.core.config import Config
    from pitboss.core.redact import Secrets

_NAMES = {
    "backend": "agent.backend",
    "idle_seconds": "agent.idle_seconds",
    "env_remove": "agent.env_remove",
    "env_keep": "agent.env_keep",
    "probe": "agent.probe",
    "agents": "agent",
    "fixer_max_attempts": "retries.fixer_max_attempts",
    "test_command": "tests.command",
    "pricing": "budgets.pricing",
    "hard_budgets": "budgets.hard",
    "limits.max_wait_s": "limits.max_wait",
    "author": "git.author",
    "commit_subject": "git.subject",
    "pull_request.remote": "git.remote",
    "pull_request.body": "git.pr_body",
    "pull_request.draft": "git.pr_draft",
}
"""Fields of `Config` with another name in the file, or in another table of it."""

_ADDRESS = lazy_pattern(r"://(?!\$\{\w+\}$).*")


class EffectiveSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A key of config.toml, its value, and whether that comes from the `file` or is the `default`."""

    key: str
    value: object
    source: str


def effective(config: Config, written: Mapping[str, Any], secrets: Secrets) -> list[EffectiveSetting]:
    """All settings, sorted by key; `written` is what the file says, as TOML reads it."""
    values = msgspec.to_builtins(config)
    values.pop("warnings")
    found = [
        EffectiveSetting(
            key=key,
            value=_harmless(key, value, secrets),
            source="file" if _says(written, key.split(".")) else "default",
        )
        for key, value in _leaves(values, "")
    ]
    return sorted(found, key=lambda setting: setting.key)


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        field = f"{prefix}{name}"
        key = _NAMES.get(field, field)
        if isinstance(value, dict):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _says(table: Mapping[str, Any], path: list[str]) -> bool:
    """Whether a table of the file has the key; a name between may have dots in it, as models do."""
    for end in range(1, len(path) + 1):
        name = ".".join(path[:end])
        if name in table:
            below = table[name]
            return end == len(path) or (isinstance(below, dict) and _says(below, path[end:]))
    return False


def _harmless(key: str, value: object, secrets: Secrets) -> object:
    """The value without secrets; of an address for notices only its kind, unless that is all it says."""
    if isinstance(value, list | tuple):
        return [_harmless(key, each, secrets) for each in value]
    if not isinstance(value, str):
        return value
    text = secrets.redact(without_userinfo(value))
    return _ADDRESS.sub(f"://{REDACTED.decode()}", text) if "url" in key else text
