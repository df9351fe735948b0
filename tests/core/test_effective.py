"""Every key of config.toml appears among the settings in force, under its own name."""

from __future__ import annotations

import tomllib

from pitboss.cli.shared.project import template
from pitboss.core.budget import Caps
from pitboss.core.config import Config, SandboxMode
from pitboss.core.effective import EffectiveSetting, Origin, effective, for_prompt, for_run
from pitboss.core.fields import Document, Table
from pitboss.core.frontmatter import split_frontmatter
from pitboss.core.prompt import PromptSource, parse_prompt
from pitboss.core.redact import Secrets
from pitboss.core.selection import Selection
from pitboss.core.toml import parse_toml
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

    listed = effective(parse_config(FULL, file="x"), parse_toml(FULL, "x"), Secrets(), {})

    found = {each.key: each.source for each in listed}
    lines = FULL.split("\n")

    assert len(keys(written)) > 40
    assert {key: found.get(key) for key in keys(written)} == dict.fromkeys(keys(written), "file")
    for each in listed:
        if each.source == "file":
            assert each.file == "x"
            assert each.key.rpartition(".")[2] in lines[(each.line or 0) - 1], each


def test_without_a_file_all_are_defaults_and_a_name_that_only_begins_alike_is_none() -> None:
    odd = Table(Document("x", lambda path: None), {"agent": {"backend": {"x": 1}}, "git": 3})

    for written in (odd, None):
        found = effective(Config(), written, Secrets(), {})
        assert {each.source for each in found if each.key != "agent.backend"} == {"default"}


def test_an_address_says_only_what_kind_it_is_unless_the_environment_has_the_rest() -> None:
    text = '[notify]\nurls = ["slack://a/b/c", "ntfy://${TOPIC}"]\n[agent.command]\ncommand = ["https://me:pw@host/"]\n'

    found = {each.key: each.value for each in effective(parse_config(text, file="x"), None, Secrets(), {})}

    assert found["notify.urls"] == ["slack://[redacted]", "ntfy://${TOPIC}"]
    assert found["agent.command.command"] == ["https://[redacted]@host/"]


def defaults() -> list[EffectiveSetting]:
    return effective(Config(), None, Secrets(), {})


def test_which_variables_an_address_takes_and_whether_they_are_set() -> None:
    text = '[notify]\nurls = ["ntfy://${TOPIC}", "json://${HOST}"]\n'

    listed = effective(parse_config(text, file="x"), None, Secrets(), {"TOPIC": "t", "HOST": ""})

    assert {each.key: each.variables for each in listed if each.variables} == {
        "notify.urls": {"TOPIC": True, "HOST": False}
    }


def test_a_prompt_says_some_things_itself_and_may_have_an_agent_of_its_own() -> None:
    text = "---\nname: p\ndescription: d\nagent: codex\nweight: 2\n---\nDo it.\n"
    meta = parse_prompt(text, path="p.md", source=PromptSource.PROJECT).meta
    front, _ = split_frontmatter(text, "p.md")

    found = {each.key: each for each in for_prompt(defaults(), meta, front)}

    assert found["agent.backend"] == EffectiveSetting(
        key="agent.backend", value="codex", source=Origin.PROMPT, file="p.md", line=4
    )
    assert (found["prompt.weight"].value, found["prompt.weight"].line) == (2, 5)
    assert (found["prompt.verify"].value, found["prompt.verify"].source) == (False, "default")
    other = text.replace("agent: codex\n", "")
    meta = parse_prompt(other, path="p.md", source=PromptSource.PROJECT).meta
    listed = for_prompt(defaults(), meta, split_frontmatter(other, "p.md")[0])
    assert [each.source for each in listed if each.key == "agent.backend"] == ["default"]


def test_a_run_has_what_its_command_line_chose_and_budgets_of_its_own() -> None:
    chosen = Selection(agent="codex", max_parallel=4, rotation="nightly", sandbox=SandboxMode.BWRAP)

    found = {
        each.key: (each.value, each.source) for each in for_run(defaults(), chosen, Caps(max_cost_usd=5.0))
    }

    assert found["agent.backend"] == ("codex", "command line")
    assert found["grind.max_parallel"] == (4, "command line")
    assert found["grind.default_rotation"] == ("nightly", "command line")
    assert found["grind.budgets.max_cost_usd"] == (5.0, "run")
    assert found["grind.budgets.max_tokens"] == (None, "default")
    assert found["grind.mode"][1] == "default"
    assert found["sandbox.mode"] == ("bwrap", "run")


def test_a_sandbox_that_the_configuration_has_too_comes_from_there() -> None:
    listed = for_run(defaults(), Selection(sandbox=SandboxMode.OFF), Caps())
    assert [each.source for each in listed if each.key == "sandbox.mode"] == ["default"]
