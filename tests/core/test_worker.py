"""Which agent works on a prompt with which model (SPEC 6)."""

from __future__ import annotations

import pytest

from pitboss.core.config import AgentSettings, Config
from pitboss.core.worker import Worker, fixer, implementer, stand_in
from tests.support.values import prompt

CONFIG = Config(
    backend="codex",
    models={"implementer": "role", "fixer": "mender"},
    agents={"codex": AgentSettings(model="own"), "gemini": AgentSettings(model="other")},
)


@pytest.mark.parametrize(
    ("meta", "works", "mends"),
    [
        ({}, Worker("codex", "role"), Worker("codex", "mender")),
        ({"model": "mine"}, Worker("codex", "mine"), Worker("codex", "mine")),
        ({"agent": "gemini"}, Worker("gemini", "role"), Worker("gemini", "mender")),
        ({"agent": "shell"}, Worker("shell", "role"), Worker("codex", "mender")),
    ],
)
def test_the_prompts_words_come_before_the_roles(meta: dict[str, str], works: Worker, mends: Worker) -> None:
    doc = prompt("alpha", **meta)
    assert implementer(CONFIG, doc.meta) == works
    assert fixer(CONFIG, doc.meta) == mends


def test_without_a_role_an_agent_has_its_own_model_or_none() -> None:
    config = Config(backend="shell", agents={"codex": AgentSettings(model="own")})
    assert implementer(config, prompt("alpha", agent="codex").meta) == Worker("codex", "own")
    assert implementer(config, prompt("alpha", agent="aider").meta) == Worker("aider")
    assert fixer(config, prompt("alpha").meta) is None


def test_who_stands_in_for_another_agent_is_asked_for_its_own_model() -> None:
    assert stand_in(CONFIG, "gemini") == Worker("gemini", "other")
    assert str(stand_in(CONFIG, "gemini")) == "gemini with other"
    assert str(stand_in(CONFIG, "aider")) == "aider"
