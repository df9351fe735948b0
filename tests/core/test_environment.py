"""Which variables agents get (SPEC 6)."""

from __future__ import annotations

import pytest

from pitboss.core.environment import agent_environment, forget_others

ENV = {
    "PATH": "/bin",
    "AWS_REGION": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
    "OPENAI_API_KEY": "z",
    "PITBOSS_RUN_ID": "r",
}


@pytest.mark.parametrize(
    ("remove", "keep", "gone"),
    [
        ([], [], set()),
        ([], ["PATH"], set()),
        (["OPENAI_API_KEY"], [], {"OPENAI_API_KEY"}),
        (["AWS_*"], ["AWS_REGION"], {"AWS_SECRET_ACCESS_KEY"}),
        (["*"], ["PATH", "AWS_*"], {"OPENAI_API_KEY"}),
        (["*"], [], set(ENV) - {"PITBOSS_RUN_ID"}),
        (["aws_*", "PITBOSS_RUN_ID"], [], set()),
    ],
)
def test_what_is_removed_is_gone_unless_kept_and_the_sessions_own_stays(
    remove: list[str], keep: list[str], gone: set[str]
) -> None:
    assert set(ENV) - set(agent_environment(ENV, remove=remove, keep=keep)) == gone


def test_what_says_where_somebody_else_is_at_work_is_forgotten_and_settings_stay() -> None:
    settings = {"PATH": "/bin", "GIT_CONFIG_COUNT": "0", "CLAUDE_CONFIG_DIR": "/c", "PITBOSS_MINE": "m"}
    environ = settings | {"GIT_DIR": "/r/.git", "CLAUDECODE": "1", "PITBOSS_RUN_ID": "outer"}
    forget_others(environ)
    assert environ == settings


@pytest.mark.parametrize(
    "name",
    [
        "GIT_CHERRY_PICK_HELP",
        "CLAUDE_CODE_TEAM_NAME",
        "CLAUDE_CODE_PARENT_SESSION_ID",
        "CODEX_SESSION_ID",
        "GEMINI_CLI_IDE_SERVER_PORT",
        "QWEN_CODE_IDE_WORKSPACE_PATH",
    ],
)
def test_whose_teammate_or_editor_somebody_is_reaches_no_child(name: str) -> None:
    environ = {"PATH": "/bin", name: "1"}
    forget_others(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "name",
    [
        "NODE_CHANNEL_FD",
        "NODE_CHANNEL_SERIALIZATION_MODE",
        "NODE_UNIQUE_ID",
        "VSCODE_INSPECTOR_OPTIONS",
        "LISTEN_FDS",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
    ],
)
def test_a_channel_to_whoever_started_it_reaches_no_child(name: str) -> None:
    environ = {"PATH": "/bin", name: "3"}
    forget_others(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("MAKEFLAGS", " -j4 --jobserver-auth=3,4", False),
        ("MAKEFLAGS", "w -j --jobserver-auth=fifo:/tmp/GMfifo7", False),
        ("MFLAGS", "-w --jobserver-fds=3,4 -j", False),
        ("CARGO_MAKEFLAGS", "-j --jobserver-fds=8,9 --jobserver-auth=8,9", False),
        ("MAKEFLAGS", "-j8", True),
        ("CARGO_MAKEFLAGS", "", True),
        ("NOTES", "--jobserver-auth=3,4", True),
    ],
)
def test_the_job_server_of_an_outer_make_reaches_no_child(name: str, value: str, left: bool) -> None:
    environ = {"PATH": "/bin", name: value}
    forget_others(environ)
    assert (name in environ) is left
