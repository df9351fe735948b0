"""`agents` and `config`: who is there, which settings are in force, and where they come from (SPEC 8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.behaviour.test_cli_observers import documented
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Project


def test_agents_are_listed_with_version_login_and_cost(project: Project, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    claude = programs / "claude"
    claude.write_text("#!/bin/sh\necho '1.0.1 (Claude Code)'\n")
    claude.chmod(0o755)
    project.env |= {
        "PATH": f"{programs}:/usr/bin:/bin",
        "ANTHROPIC_API_KEY": "sk-ant-12345678901234567890123456",
    }

    listed = {agent["name"]: agent for agent in project.pitboss("agents", "--json").json()}
    done = project.pitboss("agents")

    assert set(listed["claude_code"]) == set(documented("agents"))
    assert listed["claude_code"] | {"fitness": None, "hint": None} == {
        "name": "claude_code",
        "chosen": False,
        "path": str(claude),
        "version": "1.0.1 (Claude Code)",
        "fitness": None,
        "login": "ANTHROPIC_API_KEY",
        "log_in": None,
        "cost": "reported",
        "probe_usd": 1.0,
        "problem": None,
        "hint": None,
    }
    assert listed["shell"]["chosen"]
    assert listed["shell"]["probe_usd"] == 0
    assert listed["codex"]["path"] is None
    assert listed["codex"]["problem"]
    assert done.code == 0
    assert re.search(
        r"^claude_code +1\.0\.1 .* ANTHROPIC_API_KEY +reported +up to \$1\.00 ", done.out, re.MULTILINE
    )
    assert re.search(r"^shell\* ", done.out, re.MULTILINE)
    assert "sk-ant" not in done.out + done.err


def test_nothing_that_a_clone_brings_is_run(project: Project) -> None:
    tool = project.write("tool", "#!/bin/sh\ntouch ran\necho 1.0.0\n")
    tool.chmod(0o755)
    project.write(".pitboss/config.toml", '[agent.claude_code]\nbinary = "./tool"\n')

    assert project.pitboss("agents").code == 0

    assert not (project.root / "ran").exists()


def test_paths_are_printed(project: Project) -> None:
    done = project.pitboss("config")

    assert f"config          {project.root}/.pitboss/config.toml\n" in done.out
    assert re.search(r"^runs +.*/\.pitboss/grind/runs \(missing\)$", done.out, re.MULTILINE)
    assert project.pitboss("config", "--json").json()["queue"] == f"{project.root}/.pitboss/grind/queue"


def test_every_setting_is_shown_with_its_source_and_no_secret(project: Project) -> None:
    project.write(
        ".pitboss/config.toml",
        '[agent]\nbackend = "shell"\n[agent.command]\ncommand = ["x", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"]\n'
        '[tests]\ncommand = "T=hunter2hunter2 make"\n[limits]\nmax_wait = "1h"\n[git]\npr_draft = true\n'
        '[budgets.pricing."a.b"]\ninput_per_million_usd = 1\noutput_per_million_usd = 2\n'
        '[notify]\nurls = ["slack://a/b/c", "ntfy://${TOPIC}"]\n[grid]\nx = 1\n',
    )

    found = project.pitboss("config", "--effective", "--json", MY_TOKEN="hunter2hunter2").json()
    shown = project.pitboss("config", "--effective")

    by_key = {setting["key"]: (setting["source"], setting["value"]) for setting in found}
    assert sorted(found[0]) == sorted(documented("config"))
    lines = {setting["key"]: setting["line"] for setting in found}
    assert {key: lines[key] for key in ("agent.backend", "git.pr_draft", "agent.probe")} == {
        "agent.backend": 2,
        "git.pr_draft": 10,
        "agent.probe": None,
    }
    assert by_key["agent.backend"] == ("file", "shell")
    assert by_key["agent.command.command"] == ("file", ["x", "[redacted]"])
    assert by_key["agent.probe"] == ("default", False)
    assert by_key["tests.command"] == ("file", "T=[redacted] make")
    assert by_key["limits.max_wait"] == ("file", 3600.0)
    assert by_key["limits.retries"] == ("default", 3)
    assert by_key["git.pr_draft"] == ("file", True)
    assert by_key["git.remote"] == ("default", "origin")
    assert by_key["budgets.pricing.a.b.input_per_million_usd"] == ("file", 1.0)
    assert by_key["notify.urls"] == ("file", ["slack://[redacted]", "ntfy://${TOPIC}"])
    assert by_key["grind.budgets.max_cost_usd"] == ("default", None)
    assert re.search(r"^agent\.backend +config\.toml:2 +\"shell\"$", shown.out, re.MULTILINE)
    assert re.search(r"^notify\.urls +config\.toml:15 \$TOPIC \(not set\) +\[", shown.out, re.MULTILINE)
    assert "warning: " in shown.err
    assert "grid" in shown.err


def test_a_wrong_config_is_an_error(project: Project) -> None:
    project.write(".pitboss/config.toml", "[grind]\nmax_parallel = 0\n")

    for command in (("agents",), ("config", "--effective")):
        assert project.pitboss(*command).code == 4
    assert project.pitboss("config").code == 0


def test_what_a_prompt_and_a_run_say_stands_above_the_file(project: Project) -> None:
    project.write(".pitboss/config.toml", '[agent]\nbackend = "shell"\n[grind]\nmax_parallel = 1\n')
    project.prompt("work", "true", max_runs=1, weight=3)
    assert project.pitboss("grind", "--max-parallel", "2", "--max-cost", "7").code == 0

    of_prompt = project.pitboss("config", "--effective", "--prompt", "work").out
    of_run = project.pitboss("config", "--effective", "--run", the_run(project).run_id[:20]).out

    assert re.search(r"^prompt\.weight +work\.md:5 +3$", of_prompt, re.MULTILINE)
    assert re.search(r"^grind\.max_parallel +config\.toml:4 +1$", of_prompt, re.MULTILINE)
    assert re.search(r"^grind\.max_parallel +command line +2$", of_run, re.MULTILINE)
    assert re.search(r"^grind\.budgets\.max_cost_usd +run +7\.0$", of_run, re.MULTILINE)
    unknown = project.pitboss("config", "--effective", "--prompt", "wrk")
    assert unknown.err.startswith("error: no prompt is named 'wrk'")
    alone = project.pitboss("config", "--run", "x")
    assert (alone.code, alone.err.splitlines()[0]) == (4, "error: --prompt and --run go with --effective")
