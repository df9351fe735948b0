"""Claude Code as root: refused with all permissions, unless the environment says that this is a sandbox."""

from __future__ import annotations

import pytest

from pitboss.agents.table import find_backend
from pitboss.core.config import AgentSettings

BYPASS = AgentSettings()


@pytest.mark.parametrize(
    ("settings", "env", "uid", "refused"),
    [
        (BYPASS, {}, 0, True),
        (BYPASS, {}, 1000, False),
        (BYPASS, {"IS_SANDBOX": "1"}, 0, False),
        (BYPASS, {"IS_SANDBOX": "yes"}, 0, False),
        (BYPASS, {"IS_SANDBOX": "0"}, 0, True),
        (AgentSettings(permission_mode="acceptEdits"), {}, 0, False),
        (AgentSettings(permission_mode="bypassPermissions"), {}, 0, True),
        (AgentSettings(extra_args=("--permission-mode", "plan")), {}, 0, False),
        (AgentSettings(extra_args=("--permission-mode=plan",)), {}, 0, False),
        (AgentSettings(extra_args=("--permission-mode",)), {}, 0, False),
        (AgentSettings(permission_mode="plan", extra_args=("--dangerously-skip-permissions",)), {}, 0, True),
    ],
)
def test_who_refuses_root(settings: AgentSettings, env: dict[str, str], uid: int, refused: bool) -> None:
    found = find_backend("claude_code").root_refusal(settings, env, uid=uid)
    assert (found is not None) == refused
    assert found is None or (found.sure and "IS_SANDBOX=1" in found.finding and "acceptEdits" in found.hint)


def test_a_program_of_the_users_own_may_see_to_it() -> None:
    found = find_backend("claude_code").root_refusal(AgentSettings(binary="wrapper"), {}, uid=0)
    assert found is not None
    assert not found.sure


def test_other_agents_do_not_mind() -> None:
    assert find_backend("codex").root_refusal(BYPASS, {}, uid=0) is None
