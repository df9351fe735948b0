"""Every setting that is in force, by the name it has in config.toml, and where its value comes from (SPEC 8). Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.core.notice import variables
from pitboss.core.patterns import lazy_pattern
from pitboss.core.redact import REDACTED, without_userinfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pitboss.core.budget import Caps
    from pitboss.core.config import Config
    from pitboss.core.fields import Table
    from pitboss.core.prompt import PromptMeta
    from pitboss.core.redact import Secrets
    from pitboss.core.selection import Selection

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


_CHOSEN = {
    "agent": "agent.backend",
    "max_parallel": "grind.max_parallel",
    "mode": "grind.mode",
    "prompts_dir": "grind.prompts_dir",
    "rotation": "grind.default_rotation",
}
"""What a command line may choose, and the setting that it stands above."""

_SANDBOX = "sandbox.mode"


class Origin(StrEnum):
    """Where the value of a setting comes from."""

    DEFAULT = "default"
    FILE = "file"
    """config.toml."""
    PROMPT = "prompt"
    """The frontmatter of the prompt asked about."""
    COMMAND_LINE = "command line"
    """That of the run asked about."""
    RUN = "run"
    """A budget of the run asked about: by its command line, its rotation, or `pitboss budget`."""


class EffectiveSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A key of config.toml, its value, and where that comes from; `file` and `line` if that is a file.

    `variables` are those of the environment that the value takes from, and whether they are set. The settings of a
    prompt have keys of their own, which begin with `prompt.`.
    """

    key: str
    value: object
    source: Origin
    file: str | None = None
    line: int | None = None
    variables: dict[str, bool] = {}


def effective(
    config: Config, written: Table | None, secrets: Secrets, environ: Mapping[str, str]
) -> list[EffectiveSetting]:
    """All settings, sorted by key; `written` is what config.toml says."""
    values = msgspec.to_builtins(config)
    values.pop("warnings")
    found = [_setting(key, value, written, secrets, environ) for key, value in _leaves(values, "")]
    return sorted(found, key=lambda setting: setting.key)


def for_prompt(found: list[EffectiveSetting], prompt: PromptMeta, written: Table) -> list[EffectiveSetting]:
    """The settings in force for one prompt; `written` is its frontmatter."""
    own = []
    for key, value in msgspec.structs.asdict(prompt).items():
        said = key in written.values
        origin = _from(written, (key,), Origin.PROMPT) if said else {"source": Origin.DEFAULT}
        own.append(EffectiveSetting(key=f"prompt.{key}", value=value, **origin))
        if key == "agent" and said and value is not None:
            found = [each for each in found if each.key != "agent.backend"]
            own.append(EffectiveSetting(key="agent.backend", value=value, **origin))
    return sorted([*found, *own], key=lambda setting: setting.key)


def for_run(found: list[EffectiveSetting], chosen: Selection, caps: Caps) -> list[EffectiveSetting]:
    """The settings in force for one run, with what its command line chose and the budgets that it has now."""
    above: dict[str, tuple[object, Origin]] = {
        key: (value, Origin.COMMAND_LINE)
        for name, key in _CHOSEN.items()
        if (value := getattr(chosen, name)) is not None
    }
    by_key = {each.key: each for each in found}
    if chosen.sandbox is not None and by_key[_SANDBOX].value != chosen.sandbox:
        above[_SANDBOX] = (chosen.sandbox, Origin.RUN)
    for name, cap in msgspec.to_builtins(caps).items():
        if by_key[key := f"grind.budgets.{name}"].value != cap:
            above[key] = (cap, Origin.RUN)
    return [
        EffectiveSetting(key=each.key, value=above[each.key][0], source=above[each.key][1])
        if each.key in above
        else each
        for each in found
    ]


def _setting(
    key: str, value: object, written: Table | None, secrets: Secrets, environ: Mapping[str, str]
) -> EffectiveSetting:
    path = None if written is None else _path(written.values, key.split("."))
    origin = (
        {"source": Origin.DEFAULT} if path is None or written is None else _from(written, path, Origin.FILE)
    )
    texts = value if isinstance(value, list | tuple) else [value]
    named = [name for text in texts if "url" in key and isinstance(text, str) for name in variables(text)]
    return EffectiveSetting(
        key=key,
        value=_harmless(key, value, secrets),
        variables={name: bool(environ.get(name)) for name in named},
        **origin,
    )


def _from(written: Table, path: tuple[str, ...], source: Origin) -> dict[str, Any]:
    return {"source": source, "file": written.document.file, "line": written.document.line(path)}


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        field = f"{prefix}{name}"
        key = _NAMES.get(field, field)
        if isinstance(value, dict):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _path(table: Mapping[str, Any], words: list[str]) -> tuple[str, ...] | None:
    """Where a table of the file has the key; a name between may have dots in it, as models do."""
    for end in range(1, len(words) + 1):
        name = ".".join(words[:end])
        if name in table:
            if end == len(words):
                return (name,)
            below = table[name]
            rest = _path(below, words[end:]) if isinstance(below, dict) else None
            return None if rest is None else (name, *rest)
    return None


def _harmless(key: str, value: object, secrets: Secrets) -> object:
    """The value without secrets; of an address for notices only its kind, unless that is all it says."""
    if isinstance(value, list | tuple):
        return [_harmless(key, each, secrets) for each in value]
    if not isinstance(value, str):
        return value
    text = secrets.redact(without_userinfo(value))
    return _ADDRESS.sub(f"://{REDACTED.decode()}", text) if "url" in key else text
