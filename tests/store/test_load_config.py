"""config.toml as SPEC 2 describes it: every key, every default, unknown keys as warnings, all errors at once."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pitboss.agents.claude.as_root import UNATTENDED
from pitboss.cli.shared.project import template
from pitboss.core.budget import Caps
from pitboss.core.config import (
    AgentSettings,
    Config,
    GrindSettings,
    HookSettings,
    NotifySettings,
    Price,
    SandboxMode,
    SandboxSettings,
    Topic,
    WorkerSettings,
    WorktreeSettings,
)
from pitboss.errors import InputError
from pitboss.store.config import load_config, parse_config

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = "is no placeholder; a subject may have {prompt}, {session}, {seq}, {run}, {summary}"

PATHS = "; paths begin with / or ~/ and have no .. in them"
NO_SECRET = "must hold no password or token: each machine has git credentials of its own"
NO_URL = "must be a URL or path that git can fetch from and push to"


def parse(text: str) -> Config:
    return parse_config(text, file="config.toml")


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def test_without_a_file_everything_is_at_its_default(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()


@pytest.mark.parametrize(
    "text", ["", "[agent]\n[models]\n[retries]\n[tests]\n[budgets]\n[git]\n", "[grind.worktree]\n"]
)
def test_empty_sections_leave_the_defaults(text: str) -> None:
    assert parse(text) == Config()


def test_every_key_of_the_contract_is_read(tmp_path: Path) -> None:
    folder = tmp_path / ".pitboss"
    folder.mkdir()
    (folder / "config.toml").write_text(
        """
[agent]
backend = "command"
[agent.claude_code]
binary = "/opt/claude"
extra_args = ["--add-dir", "", "x"]
model = "sonnet"
permission_mode = "acceptEdits"
idle_seconds = 90
[agent.command]
command = ["my-agent", "--yes"]
[models]
implementer = "a"
fixer = "b"
planner = "c"
auditor = "d"
[retries]
fixer_max_attempts = 0
[tests]
command = "make test"
[budgets.pricing."gpt-5.1"]
input_per_million_usd = 1
output_per_million_usd = 2.5
cache_read_per_million_usd = 0.1
cache_write_per_million_usd = 0
[grind]
prompts_dir = "~/prompts"
default_rotation = "nightly"
max_parallel = 4
consecutive_failure_limit = 0
hook_timeout_secs = 5
hook_env_passthrough = ["DISPLAY"]
transcript_retention = "keep-none"
land = "always"
mode = "worktree"
[grind.budgets]
max_iterations = 9
until = "2030-01-31T06:00:00Z"
max_cost_usd = 2
max_tokens = 1000
[grind.hooks]
pre_session = "one"
post_session = "two"
on_failure = "three"
[grind.worktree]
copy = []
setup = "npm ci"
clean = "all"
[git]
author = "Night Shift <night@example.com>"
subject = "{prompt} ({run})"
""",
        encoding="utf-8",
    )
    assert load_config(tmp_path) == Config(
        backend="command",
        agents={
            "claude_code": AgentSettings(
                binary="/opt/claude",
                extra_args=("--add-dir", "", "x"),
                model="sonnet",
                permission_mode="acceptEdits",
                idle_seconds=90.0,
            ),
            "command": AgentSettings(command=("my-agent", "--yes")),
        },
        models={"implementer": "a", "fixer": "b", "planner": "c", "auditor": "d"},
        fixer_max_attempts=0,
        test_command="make test",
        pricing={
            "gpt-5.1": Price(
                input_per_million_usd=1.0,
                output_per_million_usd=2.5,
                cache_read_per_million_usd=0.1,
                cache_write_per_million_usd=0.0,
            )
        },
        grind=GrindSettings(
            prompts_dir="~/prompts",
            default_rotation="nightly",
            max_parallel=4,
            consecutive_failure_limit=0,
            hook_timeout_secs=5,
            hook_env_passthrough=("DISPLAY",),
            transcript_retention="keep_none",
            land="always",
            mode="worktree",
            budgets=Caps(
                max_iterations=9,
                until=datetime(2030, 1, 31, 6, tzinfo=UTC),
                max_tokens=1000,
                max_cost_usd=2.0,
            ),
            hooks=HookSettings(pre_session="one", post_session="two", on_failure="three"),
            worktree=WorktreeSettings(copy=(), setup="npm ci", clean="all"),
        ),
        author="Night Shift <night@example.com>",
        commit_subject="{prompt} ({run})",
    )


def test_unknown_keys_are_warnings_with_a_line_and_the_nearest_known_key() -> None:
    config = parse(
        """[grind]
max_paralel = 2
max_parallel = 3
[grnd]
[agent]
bakend = "x"
[agent.claude_code]
modle = "y"
[models]
reviewer = "z"
[budgets]
monthly = 3
[git]
sign = true
"""
    )
    assert config == Config(
        agents={"claude_code": AgentSettings()},
        grind=GrindSettings(max_parallel=3),
        warnings=(
            "config.toml:4: grnd: unknown key; did you mean 'grind'?",
            "config.toml:6: agent.bakend: unknown key; did you mean 'backend'?",
            "config.toml:8: agent.claude_code.modle: unknown key; did you mean 'model'?",
            "config.toml:10: models.reviewer: unknown key",
            "config.toml:12: budgets.monthly: unknown key",
            "config.toml:2: grind.max_paralel: unknown key; did you mean 'max_parallel'?",
            "config.toml:14: git.sign: unknown key",
        ),
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("grind = 1", "grind: must be a table, not 1"),
        ("agent.backend = 1", "agent.backend: must be a string, not 1"),
        ("agent.backend.x = 1", "agent.backend: must be a string, not a table"),
        ("agent.command.command = 'x'", "agent.command.command: must be a list of strings, not 'x'"),
        ("agent.command.command = ['x', 1]", "agent.command.command: item 2 must be a string, not 1"),
        (
            'agent.command.command = ["\\u0000"]',
            "agent.command.command: item 1 must be a string, not '\\x00'",
        ),
        (
            "agent.x.idle_seconds = 0",
            "agent.x.idle_seconds: must be a number > 0 and at most 4294967295, not 0",
        ),
        ("limits.pause_at = 1.5", "limits.pause_at: must be a number > 0 and at most 1, not 1.5"),
        ("limits.max_wait = 'soon'", "limits.max_wait: must be a time such as 6h, 1h30m or 90s, not 'soon'"),
        ("agent.x.idle_seconds = nan", "agent.x.idle_seconds: must be a number >= 0, not nan"),
        ("models.fixer = ''", "models.fixer: must not be empty"),
        (
            "retries.fixer_max_attempts = -1",
            "retries.fixer_max_attempts: must be a whole number >= 0, not -1",
        ),
        ("tests.command = ' '", "tests.command: must not be empty"),
        ("budgets.pricing = 'x'", "budgets.pricing: must be a table, not 'x'"),
        ("budgets.pricing.m = 3", "budgets.pricing.m: must be a table, not 3"),
        (
            "budgets.pricing.'a.b' = {input_per_million_usd = 3}",
            "budgets.pricing.'a.b'.output_per_million_usd: is required",
        ),
        ("grind.max_parallel = 0", "grind.max_parallel: must be a whole number >= 1, not 0"),
        ("grind.hook_timeout_secs = 1.5", "grind.hook_timeout_secs: must be a whole number >= 1, not 1.5"),
        ("grind.hook_env_passthrough = [1]", "grind.hook_env_passthrough: item 1 must be a string, not 1"),
        (
            "grind.transcript_retention = 'all'",
            'grind.transcript_retention: must be "keep_all" or "keep_none", not \'all\'',
        ),
        ("grind.land = true", 'grind.land: must be "ok" or "always", not true'),
        ("grind.mode = []", 'grind.mode: must be "in-place" or "worktree", not a list'),
        ("grind.budgets.max_tokens = '1'", "grind.budgets.max_tokens: must be a whole number >= 0, not '1'"),
        ("grind.hooks.on_failure = 1", "grind.hooks.on_failure: must be a string, not 1"),
        ("grind.worktree.copy = '.env'", "grind.worktree.copy: must be a list of strings, not '.env'"),
        ("git.subject = '{promt}'", f"git.subject: has '{{promt}}', which {SUBJECT}"),
        ("git.subject = 'a { b'", f"git.subject: has 'a {{ b', which {SUBJECT}"),
        ("git.author = 'me'", "git.author: must look like NAME <MAIL>, not 'me'"),
        ("git.author = '<me@x>'", "git.author: must look like NAME <MAIL>, not '<me@x>'"),
        ("git.author = 'me <>'", "git.author: must look like NAME <MAIL>, not 'me <>'"),
        ("git.remote = '--force'", "git.remote: must be the name of a remote, not '--force'"),
        ("git.pr_body = 'log'", 'git.pr_body: must be "sessions" or "report", not \'log\''),
        ("sandbox.mode = 'docker'", 'sandbox.mode: must be "off" or "bwrap" or "command", not \'docker\''),
        ("sandbox.network = 'off'", 'sandbox.network: must be "open" or "none", not \'off\''),
        ("sandbox.writable = ['cache']", f"sandbox.writable: has 'cache'{PATHS}"),
        ("sandbox.hidden = ['~/../ann']", f"sandbox.hidden: has '~/../ann'{PATHS}"),
        ("sandbox.mode = 'command'", "sandbox.mode: needs the wrapper's command line"),
        ("sandbox = {mode = 'command', command = []}", "sandbox.command: needs the wrapper's command line"),
        ("sandbox.command = [' ', 'x']", "sandbox.command: must begin with a program"),
        (
            "sandbox.command = ['docker', '{tree}']",
            "sandbox.command: has {tree}, which is no placeholder; there are {worktree}, {home}, {git}, {session}",
        ),
        ("workers.address = 'local:0'", "workers.address: must be local:1 to local:1000, not 'local:0'"),
        ("workers.remote = '--upload-pack=x'", f"workers.remote: {NO_URL}, not '--upload-pack=x'"),
        ("workers.remote = 'ext::sh -c x'", f"workers.remote: {NO_URL}, not 'ext::sh -c x'"),
        (
            "workers.remote = 'https://me:pass@host/x.git'",
            f"workers.remote: {NO_SECRET}",
        ),
        (f"workers.remote = 'https://ghp_{'a' * 36}@host/x.git'", f"workers.remote: {NO_SECRET}"),
        ("workers.lost_after_s = 1", "workers.lost_after_s: must be at least 2, not 1"),
        ("grind.max_parallel = ", "not valid TOML: Invalid value"),
    ],
)
def test_a_wrong_value_is_an_error_with_its_line_and_reason(line: str, reason: str) -> None:
    assert problems(f"# a comment\n{line}\n") == [f"config.toml:2: {reason}"]


def test_all_errors_are_reported_at_once() -> None:
    assert problems(
        '[git]\nauthor = "x"\n[grind]\nland = "no"\nmax_parallel = 0\n[tests]\ncommand = 1\n'
    ) == [
        "config.toml:2: git.author: must look like NAME <MAIL>, not 'x'",
        """config.toml:4: grind.land: must be "ok" or "always", not 'no'""",
        "config.toml:5: grind.max_parallel: must be a whole number >= 1, not 0",
        "config.toml:7: tests.command: must be a string, not 1",
    ]


def test_a_config_that_is_no_file_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / ".pitboss" / "config.toml"
    path.mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        load_config(tmp_path)
    assert str(caught.value) == f"{path}: is a directory, not a file"


def test_the_config_that_init_writes_sets_a_budget_notes_the_mode_and_changes_nothing_else() -> None:
    assert parse(template("config.toml")) == Config(
        agents={"claude_code": AgentSettings(permission_mode=UNATTENDED)},
        grind=GrindSettings(budgets=Caps(max_cost_usd=10.0)),
    )


OURS = ("max_cost_usd = 10.0", f'permission_mode = "{UNATTENDED}"')
"""What the template sets."""


def without_examples(lines: list[str]) -> list[str]:
    """The template without what it calls an example (one setting) or examples (up to the next remark)."""
    kept = []
    example, examples = False, False
    for line in lines:
        setting = re.match(r"#\w", line)
        if not (setting and (example or examples)):
            kept.append(line)
        example = line.startswith("# An example")
        examples = line.startswith("# Examples") or (examples and setting is not None)
    return kept


def uncommented(lines: list[str]) -> str:
    return "\n".join(re.sub(r"^#(?=[\w\[])", "", line) for line in lines)


def test_what_the_config_of_init_shows_as_defaults_are_the_defaults() -> None:
    lines = without_examples(template("config.toml").splitlines())
    # An empty price is none, and a new project gets a budget.
    lines = [line for line in lines if "pricing" not in line and line not in OURS]
    assert parse(uncommented(lines)) == Config(
        agents={"claude_code": AgentSettings(), "command": AgentSettings()}
    )


def test_the_config_of_init_shows_every_setting_and_all_of_it_is_valid() -> None:
    text = uncommented(template("config.toml").splitlines())
    assert parse(text).warnings == ()
    shown = set(re.findall(r"^(\w+) =", text, flags=re.MULTILINE))
    for settings in (
        AgentSettings,
        GrindSettings,
        WorktreeSettings,
        HookSettings,
        Caps,
        Price,
        WorkerSettings,
    ):
        assert set(settings.__struct_fields__) - {"budgets", "hooks", "worktree"} <= shown


def test_notices_are_configured_by_addresses_a_command_and_topics() -> None:
    found = parse(
        "[notify]\nurls = ['ntfy://${A}']\ncommand = 'cat'\non = ['ended', 'budget']\nmin_interval_s = 5\n"
        "heartbeat_url = 'http://h/${B}'\nheartbeat_s = 60\nheartbeat_end_url = 'http://h/end'\n"
    ).notify
    assert found == NotifySettings(
        urls=("ntfy://${A}",),
        command="cat",
        on=(Topic.ENDED, Topic.BUDGET),
        min_interval_s=5.0,
        heartbeat_url="http://h/${B}",
        heartbeat_s=60.0,
        heartbeat_end_url="http://h/end",
    )
    assert found.addresses == {
        "[notify] urls, no. 1": "ntfy://${A}",
        "[notify] heartbeat_url": "http://h/${B}",
        "[notify] heartbeat_end_url": "http://h/end",
    }
    assert not found.is_unset
    assert not NotifySettings(command="cat").is_unset
    assert parse("").notify.is_unset


def test_a_sandbox_is_off_unless_the_file_says_otherwise() -> None:
    assert not parse("").sandbox.is_fenced
    written = parse(
        "[sandbox]\nmode = 'command'\nnetwork = 'none'\nwritable = ['~/a']\nhidden = ['/b']\n"
        "command = ['sh', '-c', 'exec \"$@\" ${x}', '{worktree}']\n"
    ).sandbox
    assert written.is_fenced
    assert written == SandboxSettings(
        mode=SandboxMode.COMMAND,
        network="none",
        writable=("~/a",),
        hidden=("/b",),
        command=("sh", "-c", 'exec "$@" ${x}', "{worktree}"),
    )


def test_workers_are_an_address_the_way_there_and_how_long_they_may_be_silent() -> None:
    found = parse(
        "[workers]\naddress = ' tls://h:8786'\nremote = 'git@h:a.git'\ntls = '~/tls'\nlost_after_s = 5\n"
    ).workers
    assert found == WorkerSettings(
        address="tls://h:8786", remote="git@h:a.git", tls="~/tls", lost_after_s=5.0
    )
    assert parse("[workers]\n").workers == WorkerSettings()


def test_notices_of_an_unknown_topic_are_refused() -> None:
    assert problems("[notify]\non = ['ended', 'all']\nurls = 'x'\n") == [
        "config.toml:2: notify.on: has 'all', which is not one of ended, needs_you, dead_end, waiting, budget",
        "config.toml:3: notify.urls: must be a list of strings, not 'x'",
    ]
