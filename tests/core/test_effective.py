"""Every key of config.toml appears among the settings in force, under its own name."""

from __future__ import annotations

import tomllib

from pitboss.cli.shared.project import template
from pitboss.core.config import Config
from pitboss.core.effective import effective
from pitboss.core.redact import Secrets
from pitboss.store.config import parse_config

FULL = "\n".join(
    line.removeprefix("#") if line.startswith(("#", "[")) and not line.startswith("# ") else line
    for line in template("config.toml").splitlines()
)


def keys(table: dict[str, object], prefix: str = "") -> set[str]:
    found = set()
    for name, value in table.items():
        found |= keys(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}"}
    return found


def test_each_key_that_the_file_may_have_is_there_and_said_to_come_from_it() -> None:
    written = tomllib.loads(FULL)

    found = {each.key: each.source for each in effective(parse_config(FULL, file="x"), written, Secrets())}

    assert len(keys(written)) > 40
    assert {key: found.get(key) for key in keys(written)} == dict.fromkeys(keys(written), "file")


def test_without_a_file_all_are_defaults_and_a_name_that_only_begins_alike_is_none() -> None:
    found = effective(Config(), {"agent": {"backend": {"x": 1}}, "git": 3}, Secrets())

    assert {each.source for each in found if each.key != "agent.backend"} == {"default"}


def test_an_address_says_only_what_kind_it_is_unless_the_environment_has_the_rest() -> None:
    text = '[notify]\nurls = ["slack://a/b/c", "ntfy://${TOPIC}"]\n[agent.command]\ncommand = ["https://me:pw@host/"]\n'

    found = {each.key: each.value for each in effective(parse_config(text, file="x"), {}, Secrets())}

    assert found["notify.urls"] == ["slack://[redacted]", "ntfy://${TOPIC}"]
    assert found["agent.command.command"] == ["https://[redacted]@host/"]
