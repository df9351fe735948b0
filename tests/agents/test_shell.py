"""The `shell` backend: the prompt's `sh` blocks as one script (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.agents.shell.fences import sh_blocks
from pitboss.core.config import AgentSettings
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage
from tests.support.agents import agent, request, run

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.agent import AgentOutcome


def shell(folder: Path, body: str) -> AgentOutcome:
    return run(agent("shell", AgentSettings()), request(folder, body=body))


def test_blocks_run_in_order_and_share_their_variables(tmp_path: Path) -> None:
    outcome = shell(tmp_path, "Text.\n```sh\nx=1\n```\nmore\n```sh\necho $((x + 1)) > two\n```\n")
    assert outcome.status is SessionStatus.OK
    assert (tmp_path / "two").read_text() == "2\n"
    assert outcome.usage == Usage(cost_usd=0.0, cost_known=True)
    assert outcome.model is None


def test_the_first_command_that_fails_ends_the_script(tmp_path: Path) -> None:
    outcome = shell(tmp_path, "```sh\necho before\nfalse\necho after > after\n```")
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "exit_code: 1: before")
    assert not (tmp_path / "after").exists()


def test_a_variable_that_is_not_set_ends_the_script(tmp_path: Path) -> None:
    outcome = shell(tmp_path, "```sh\necho $nobody_set_this\ntouch after\n```")
    assert outcome.status is SessionStatus.ERROR
    assert "nobody_set_this" in (outcome.reason or "")


def test_a_command_that_reads_standard_input_does_not_eat_the_script(tmp_path: Path) -> None:
    outcome = shell(tmp_path, "```sh\ncat > stdin\nprintf ran > after\n```")
    assert outcome.status is SessionStatus.OK
    assert (tmp_path / "stdin").read_bytes() == b""
    assert (tmp_path / "after").read_text() == "ran"


def test_a_script_longer_than_an_argument_may_be_runs(tmp_path: Path) -> None:
    padding = "# a comment to make it long\n" * 10_000
    assert shell(tmp_path, f"```sh\n{padding}touch done\n```").status is SessionStatus.OK
    assert (tmp_path / "done").exists()


def test_quotes_here_documents_and_backslashes_reach_the_shell_as_written(tmp_path: Path) -> None:
    shell(tmp_path, "```sh\ncat > out <<'EOF'\n$HOME \"quoted\" \\n 'single'\nEOF\n```")
    assert (tmp_path / "out").read_text() == "$HOME \"quoted\" \\n 'single'\n"


@pytest.mark.parametrize(
    "body", ["", "no block", "```bash\ntrue\n```", "```\ntrue\n```", "    ```sh\n    true\n"]
)
def test_a_prompt_without_an_sh_block_is_an_error_that_says_what_to_write(tmp_path: Path, body: str) -> None:
    outcome = shell(tmp_path, body)
    assert outcome.status is SessionStatus.ERROR
    assert outcome.reason == (
        "spawn_failed: the prompt `chore` has no ```sh block for the shell agent to run; "
        "put the commands between ```sh and ``` (the word must be `sh`)"
    )


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```sh\na\n```", ("a\n",)),
        ("``` sh\na\n```", ("a\n",)),
        ("```sh title=x\na\n```", ("a\n",)),
        ("~~~sh\na\n~~~", ("a\n",)),
        ("~~~sh\n```\n~~~", ("```\n",)),
        ("```sh\n~~~\n```", ("~~~\n",)),
        ("````sh\n```\na\n````", ("```\na\n",)),
        ("```sh\na\n`````", ("a\n",)),
        ("```sh\na\n``` trailing\nb\n```", ("a\n``` trailing\nb\n",)),
        ("   ```sh\n   a\n     b\n c\n   ```", ("a\n  b\nc\n",)),
        ("    ```sh\n    a\n    ```", ()),
        ("\t```sh\na\n```", ()),
        ("```sh\na", ("a\n",)),
        ("```sh\n```", ("",)),
        ("```sh\na\n    ```\nb\n```", ("a\n    ```\nb\n",)),
        ("````markdown\n```sh\nnot run\n```\n````\n```sh\nrun\n```", ("run\n",)),
        ("```shell\na\n```", ()),
        ("```SH\na\n```", ()),
        ("```sh`\na\n```\n", ()),
        ("``sh\na\n``", ()),
        ("<!--\n```sh\nnot run\n```\n-->\n```sh\nrun\n```", ("run\n",)),
        ("<!-- one line -->\n```sh\nrun\n```", ("run\n",)),
        ("<!-- never closed\n```sh\nnot run\n```", ()),
        ("> ```sh\n> a\n> ```", ()),
        ("1. do\n   ```sh\n   a\n   ```\n", ("a\n",)),
        ("```sh\na\n```\n```sh\nb\n```", ("a\n", "b\n")),
    ],
)
def test_fences_are_read_by_the_rules_of_commonmark(text: str, blocks: tuple[str, ...]) -> None:
    assert sh_blocks(text) == blocks
