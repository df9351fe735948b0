"""Finds API keys that agents would be billed by although their subscription is logged in (SPEC 4).

A CLI takes the key from its environment without asking, and a night's work goes on another bill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.output.json_values import table, word
from pitboss.agents.output.session_file import home_of
from pitboss.core.environment import agent_environment
from pitboss.store.opening import open_users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pitboss.core.config import Config

LOGIN_SIZE = 1024 * 1024
"""Bytes of a login's file that are read."""


class PaidKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys in `variables`, at least one, of `agent`'s environment, beside the login that is in `login`."""

    agent: str
    variables: tuple[str, ...]
    login: str

    @property
    def finding(self) -> str:
        """What is odd, in a sentence."""
        billed = " or ".join(self.variables)
        return f"{self.agent} may be billed by {billed}, although a subscription is logged in ({self.login})"

    @property
    def hint(self) -> str:
        """How to use the login instead."""
        names = ", ".join(f'"{variable}"' for variable in self.variables)
        what = "the key" if len(self.variables) == 1 else "the keys"
        return f"[agent] env_remove = [{names}] in .pitboss/config.toml keeps {what} from agents"


def paid_keys(agents: Iterable[str], config: Config, environ: Mapping[str, str]) -> tuple[PaidKeys, ...]:
    """The paid keys that `agents` would see of `environ`; a login that cannot be read is none."""
    env = agent_environment(environ, remove=config.env_remove, keep=config.env_keep)
    return tuple(found for agent in agents for found in _of_agent(agent, env))


def _of_agent(agent: str, env: Mapping[str, str]) -> Iterator[PaidKeys]:
    if agent not in _KEYS:
        return
    variables, login_of = _KEYS[agent]
    present = tuple(variable for variable in variables if env.get(variable))
    login = login_of(env) if present else None
    if login is not None:
        yield PaidKeys(agent=agent, variables=present, login=login)


def _claude_login(env: Mapping[str, str]) -> str | None:
    if env.get("CLAUDE_CODE_OAUTH_TOKEN"):
        return "CLAUDE_CODE_OAUTH_TOKEN"
    file = home_of(env, "CLAUDE_CONFIG_DIR", ".claude") / ".credentials.json"
    return _holds(file, "claudeAiOauth", ("accessToken", "refreshToken"))


def _codex_login(env: Mapping[str, str]) -> str | None:
    file = home_of(env, "CODEX_HOME", ".codex") / "auth.json"
    return _holds(file, "tokens", ("access_token", "refresh_token"))


_KEYS: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, str]], str | None]]] = {
    "claude_code": (("ANTHROPIC_API_KEY",), _claude_login),
    "codex": (("OPENAI_API_KEY", "CODEX_API_KEY"), _codex_login),
}
"""For each agent that has both: the variables of its keys, and where its login is, if there is one."""


def _holds(file: Path, key: str, tokens: Iterable[str]) -> str | None:
    """The file's name if its object at `key` has one of the `tokens`."""
    try:
        with open_users(file) as login:
            told = msgspec.json.decode(login.read(LOGIN_SIZE), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    held = table(told, key)
    return str(file) if any(word(held, token) for token in tokens) else None
