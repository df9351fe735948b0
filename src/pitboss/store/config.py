"""Loads `.pitboss/config.toml`: every section optional, all mistakes reported at once (SPEC 2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pitboss.core.config import OWN_PROGRAMS, Config, SandboxMode, Topic
from pitboss.core.fields import (
    Wrong,
    amount,
    arguments,
    count,
    duration,
    flag,
    labels,
    one_line,
    one_of,
    seconds,
    share,
    shown,
    some_text,
    table,
)
from pitboss.core.patterns import lazy_pattern
from pitboss.core.rotation import BUDGET_CHECKS, HOOK_CHECKS
from pitboss.core.toml import parse_toml
from pitboss.store.paths import config_path
from pitboss.store.user_text import read_text
from pitboss.typed import from_builtins

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.fields import Check, Table

LEAST_LOST_AFTER_S = 2.0
"""Below this, a busy machine would count as lost."""

_PLACEHOLDER = lazy_pattern(r"(?<!\$)\{([a-z]\w*)\}")
_AUTHOR = lazy_pattern(r"[^<>]*[^<>\s][^<>]* <[^<>\s]+>")
_PASSWORD = lazy_pattern(r"[^/]+://[^/@:]*:[^/]*@")


def load_config(repo: Path) -> Config:
    """Return the configuration of the repository rooted at `repo`; all defaults if there is no file.

    Keys that this version does not know become `warnings`. Raises InputError with every other problem.
    """
    path = config_path(repo)
    return parse_config(read_text(path), file=os.fspath(path)) if os.path.lexists(path) else Config()


def parse_config(text: str, *, file: str) -> Config:
    """Return the configuration written in `text`, which was read from `file`; otherwise as `load_config`."""
    top = parse_toml(text, file, lenient=True)
    top.read(dict.fromkeys(_TABLES, table))
    values = {
        **_agents(top.sub("agent")),
        "models": top.sub("models").read(_MODELS),
        **top.sub("retries").read({"fixer_max_attempts": count(0)}),
        "test_command": top.sub("tests").read({"command": some_text}).get("command"),
        **_budgets(top.sub("budgets")),
        "limits": _limits(top.sub("limits")),
        "grind": _grind(top.sub("grind")),
        "notify": top.sub("notify").read(_NOTIFY),
        "workers": top.sub("workers").read(_WORKERS),
        "sandbox": _sandbox(top.sub("sandbox")),
        **_git(top.sub("git")),
    }
    top.document.finish()
    return from_builtins({**values, "warnings": top.document.warnings}, Config)


def _agents(agent: Table) -> dict[str, Any]:
    """What applies to all agents, and a table for each backend; this module does not know which backends exist."""
    names = [key for key, value in agent.values.items() if isinstance(value, dict) and key not in _ALL_AGENTS]
    found = agent.read({**_ALL_AGENTS, **dict.fromkeys(names, table)})
    shared = {key: value for key, value in found.items() if key in _ALL_AGENTS}
    checks = {name: _AGENT | _AGENTS_OWN.get(name, {}) for name in names}
    return {**shared, "agents": {name: agent.sub(name).read(checks[name]) for name in names}}


def _budgets(budgets: Table) -> dict[str, Any]:
    hard = budgets.read({"pricing": table, "hard": flag}).get("hard", False)
    pricing = budgets.sub("pricing")
    models = pricing.read(dict.fromkeys(pricing.values, table))
    required = ("input_per_million_usd", "output_per_million_usd")
    prices = {model: pricing.sub(model).read(_PRICE, required=required) for model in models}
    return {"pricing": prices, "hard_budgets": hard}


def _limits(limits: Table) -> dict[str, Any]:
    found = limits.read(_LIMITS)
    return {"max_wait_s" if key == "max_wait" else key: value for key, value in found.items()}


def _grind(grind: Table) -> dict[str, Any]:
    return {
        **grind.read(_GRIND),
        "budgets": grind.sub("budgets").read(BUDGET_CHECKS),
        "hooks": grind.sub("hooks").read(HOOK_CHECKS),
        "worktree": grind.sub("worktree").read(_WORKTREE),
    }


def _sandbox(sandbox: Table) -> dict[str, Any]:
    found = sandbox.read(_SANDBOX)
    mode, wrapper = found.get("mode", SandboxMode.OFF), found.get("command")
    if mode == SandboxMode.COMMAND and not wrapper:
        sandbox.report(
            "command" if "command" in sandbox.values else "mode", "needs the wrapper's command line"
        )
    return found


def _git(git: Table) -> dict[str, Any]:
    found = git.read(_GIT)
    about = {name: found.pop(key) for key, name in _PULL_REQUEST.items() if key in found}
    renamed = {"commit_subject" if key == "subject" else key: value for key, value in found.items()}
    return {**renamed, "pull_request": about}


def _subject(value: object) -> str:
    text = one_line(value)
    from pitboss.core.text import PLACEHOLDERS, unknown_placeholder

    if (wrong := unknown_placeholder(text)) is not None:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise Wrong(f"has {shown(wrong)}, which is no placeholder; a subject may have {known}")
    return text


def _retention(value: object) -> str:
    """`keep_all` or `keep_none`; hyphens work too."""
    return str(one_of("keep_all", "keep_none")(value.replace("-", "_") if isinstance(value, str) else value))


def _author(value: object) -> str:
    text = one_line(value)
    if not _AUTHOR.fullmatch(text):
        raise Wrong(f"must look like NAME <MAIL>, not {shown(value)}")
    return text


def _url(value: object) -> str:
    url = one_line(value)
    if url.startswith("-") or "::" in url.partition("/")[0]:
        raise Wrong(f"must be a URL or path that git can fetch from and push to, not {shown(value)}")
    from pitboss.core.redact import Secrets

    if _PASSWORD.match(url) or Secrets().redact(url) != url:
        raise Wrong("must hold no password or token: each machine has git credentials of its own")
    return url


def _address(value: object) -> str:
    from pitboss.core.cluster import parse_cluster

    return str(parse_cluster(value))


def _lost_after(value: object) -> float:
    patience = seconds(value)
    if patience < LEAST_LOST_AFTER_S:
        raise Wrong(f"must be at least {LEAST_LOST_AFTER_S:g}, not {shown(value)}")
    return patience


def _remote(value: object) -> str:
    name = one_line(value)
    if name.startswith("-"):
        raise Wrong(f"must be the name of a remote, not {shown(value)}")
    return name


_GIT: dict[str, Check] = {
    "author": _author,
    "subject": _subject,
    "remote": _remote,
    "pr_body": one_of("sessions", "report"),
    "pr_draft": flag,
}
_PULL_REQUEST = {"remote": "remote", "pr_body": "body", "pr_draft": "draft"}
"""The keys about pull requests, each with the field of `PullRequestSettings` that holds it."""


def _paths(value: object) -> list[str]:
    paths = labels(value)
    for path in paths:
        if not path.startswith(("/", "~/")) or ".." in path.split("/"):
            raise Wrong(f"has {shown(path)}; paths begin with / or ~/ and have no .. in them")
    return paths


def _wrapper(value: object) -> list[str]:
    words = arguments(value)
    if words and not words[0].strip():
        raise Wrong("must begin with a program")
    from pitboss.core.sandbox.fence import PLACEHOLDERS

    named = [name for word in words for name in _PLACEHOLDER.findall(word)]
    if wrong := next((name for name in named if name not in PLACEHOLDERS), None):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise Wrong(f"has {{{wrong}}}, which is no placeholder; there are {known}")
    return words


def _topics(value: object) -> list[str]:
    topics = labels(value)
    for topic in topics:
        if topic not in _TOPICS:
            raise Wrong(f"has {shown(topic)}, which is not one of {', '.join(_TOPICS)}")
    return topics


_TABLES = (
    *("agent", "models", "retries", "tests", "budgets", "limits", "grind", "notify"),
    *("sandbox", "workers", "git"),
)
_TOPICS = tuple(topic.value for topic in Topic)
_MODELS: dict[str, Check] = dict.fromkeys(("implementer", "fixer", "planner", "auditor"), one_line)
_ALL_AGENTS: dict[str, Check] = {
    "backend": one_line,
    "idle_seconds": seconds,
    "env_remove": labels,
    "env_keep": labels,
    "probe": flag,
}
_AGENT: dict[str, Check] = {
    "binary": one_line,
    "extra_args": arguments,
    "model": one_line,
    "effort": one_line,
    "permission_mode": one_line,
    "command": arguments,
    "idle_seconds": seconds,
}
_OWN_PROGRAM: dict[str, Check] = {"usage": one_of("file", "none")}
_AGENTS_OWN: dict[str, dict[str, Check]] = {
    **dict.fromkeys(OWN_PROGRAMS, _OWN_PROGRAM),
    "claude_code": {"tools": one_line, "mcp": one_of("user", "none")},
}
_LIMITS: dict[str, Check] = {
    "max_wait": duration,
    "fallback": labels,
    "pause_at": share,
    "retries": count(0),
    "retry_base_seconds": seconds,
}
_PRICE: dict[str, Check] = {
    "input_per_million_usd": amount,
    "output_per_million_usd": amount,
    "cache_read_per_million_usd": amount,
    "cache_write_per_million_usd": amount,
}
_GRIND: dict[str, Check] = {
    "prompts_dir": one_line,
    "default_rotation": one_line,
    "max_parallel": count(1),
    "consecutive_failure_limit": count(0),
    "hook_timeout_secs": count(1),
    "hook_env_passthrough": labels,
    "transcript_retention": _retention,
    "rescue_ignored_mb": count(0),
    "land": one_of("ok", "always"),
    "mode": one_of("in-place", "worktree"),
    "stay": flag,
    "budgets": table,
    "hooks": table,
    "worktree": table,
}
_WORKTREE: dict[str, Check] = {
    "copy": labels,
    "setup": some_text,
    "clean": one_of("untracked", "all"),
}
_NOTIFY: dict[str, Check] = {
    "urls": labels,
    "command": some_text,
    "on": _topics,
    "min_interval_s": seconds,
    "heartbeat_url": one_line,
    "heartbeat_s": seconds,
    "heartbeat_end_url": one_line,
}
_WORKERS: dict[str, Check] = {
    "address": _address,
    "remote": _url,
    "tls": one_line,
    "lost_after_s": _lost_after,
}
_SANDBOX: dict[str, Check] = {
    "mode": one_of(*SandboxMode),
    "network": one_of("open", "none"),
    "writable": _paths,
    "hidden": _paths,
    "command": _wrapper,
}
