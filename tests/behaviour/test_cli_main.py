"""The command line as a whole: start-up, help, errors and exit codes, color, completion."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from pitboss.cli.shared.commands import COMMANDS, help_page
from pitboss.cli.shared.group import pitboss
from pitboss.store.record_codec import encode_record
from pitboss.store.rundir import RunDir
from tests.support.cli import COMMAND, Project, finish, wait_until
from tests.support.runs import the_run
from tests.support.values import record, run_state

if TYPE_CHECKING:
    from pathlib import Path


SLOW = {
    "asyncio",
    "click",
    "dataclasses",
    "decimal",
    "genai_prices",
    "importlib.metadata",
    "inspect",
    "logging",
    "msgspec.inspect",
    "psutil",
    "rich",
    "shutil",
    "textwrap",
    "uuid",
    "yaml",
}
"""What takes longer to load than a command may take that prints what is in a file."""

FOR_SESSIONS = {
    "pitboss.core.choosers",
    "pitboss.core.events",
    "pitboss.core.sandbox",
    "pitboss.core.text",
    "pitboss.core.tone",
    "pitboss.core.words",
    "pitboss.engine.bus",
    "pitboss.engine.loop",
    "pitboss.hosts",
    "pitboss.landing.places",
    "pitboss.screens.plain",
}
"""What only a run that goes on needs: a resume may be refused, and that should be quick."""

MOST_TO_REFUSE_A_RESUME = 142
"""Modules of ours: a few more than now, so that a new part may use one, and sixty do not come back unseen."""

FOR_PROCESSES = {"platform", "signal", "subprocess", "threading"}
"""What nobody needs who starts no process and no thread; msgspec would load the first."""


def imported(project: Project, *args: str) -> set[str]:
    """The modules that a command loads, left alone by whoever measures coverage."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pitboss", *args],
        cwd=project.root,
        env={name: value for name, value in project.env.items() if not name.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }


class TestStartUp:
    def test_version_is_answered_before_anything_is_loaded(self, project: Project) -> None:
        done = project.pitboss("--version")

        assert done == (0, "pitboss 0.4.0\n", "")
        assert not imported(project, "--version") & {"click", "msgspec", "pitboss.errors"}

    def test_help_names_every_command_and_loads_none(self, project: Project) -> None:
        done = project.pitboss("--help")

        assert done.code == 0
        assert done.err == ""
        for name, summary in COMMANDS.items():
            assert re.search(rf"^  {name} +{re.escape(summary)}$", done.out, re.MULTILINE)
        loaded = imported(project, "--help")
        assert not loaded & {"click", "typing", *(f"pitboss.cli.{name}" for name in COMMANDS)}

    @pytest.mark.parametrize("columns", [20, 71, 72, 80, 300])
    def test_the_help_page_is_the_one_that_click_prints(
        self, project: Project, monkeypatch: pytest.MonkeyPatch, columns: int
    ) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        context = pitboss.make_context("pitboss", [], resilient_parsing=True)

        assert help_page() in (context.get_help(), None)
        assert (help_page() is None) == (columns < 72)
        assert project.pitboss("-h", COLUMNS=str(columns)).out == f"{context.get_help()}\n"

    @pytest.mark.parametrize("command", ["runs", "prompts ls --json", "status --json", "grind", "nonsense"])
    def test_a_process_of_its_own_says_what_one_from_a_nursery_says(
        self, project: Project, command: str
    ) -> None:
        with project.started(*command.split()) as process:
            assert finish(process) == project.pitboss(*command.split())

    def test_without_a_command_there_is_help(self, project: Project) -> None:
        assert project.pitboss() == project.pitboss("--help")

    @pytest.mark.parametrize("command", ["runs", "status", "log", "stop", "events", "status --json"])
    def test_observers_load_nothing_slow_and_nothing_of_the_engine(
        self, project: Project, command: str
    ) -> None:
        loaded = imported(project, *command.split())

        assert "pitboss.store.lock" in loaded
        assert not loaded & {*SLOW, *FOR_PROCESSES, "pitboss.core.text", "pitboss.app", "pitboss.engine"}

    def test_a_resume_that_is_refused_loads_nothing_of_what_sessions_need(self, project: Project) -> None:
        project.prompt("chore", "true")
        assert project.pitboss("grind", "--max-iterations", "1").code == 3
        loaded = imported(project, "grind", "--resume", "--max-iterations", "1")

        assert "pitboss.engine.dead_run" in loaded
        assert not loaded & {*SLOW, *FOR_SESSIONS}
        assert sum(name.startswith("pitboss") for name in loaded) <= MOST_TO_REFUSE_A_RESUME

    def test_a_run_loads_nothing_slow_that_sessions_and_the_report_can_do_without(
        self, project: Project
    ) -> None:
        project.prompt("chore", "echo new > new.txt", parallel_safe=True)
        loaded = imported(project, "grind", "--max-iterations", "1", "--max-parallel", "2")

        assert {"pitboss.landing.slot", "pitboss.screens.report.page"} <= loaded
        slow = {*SLOW, "random", "statistics", "tempfile"} - {"shutil"}  # it deletes the working copy
        assert sorted(loaded & slow) == []

    @pytest.mark.parametrize("command", ["prompts ls", "prompts validate", "grind --dry-run"])
    def test_commands_that_read_prompts_load_no_parser_that_they_do_not_need(
        self, project: Project, command: str
    ) -> None:
        project.prompt("chore", "true", max_runs=3)
        loaded = imported(project, *command.split())

        assert "pitboss.store.library" in loaded
        assert not loaded & {*SLOW, "pitboss.app", "pitboss.engine", "pitboss.guardian"}

    @pytest.mark.parametrize(
        "command",
        [
            "runs --json",
            "prompts ls --json",
            "grind --dry-run",
            "grind --dry-run --tag a --tag b --max-iterations 7 --max-cost none",
            "grind --dry-run --prompts-dir .pitboss/grind/prompts --until 2099-01-01T00:00:00Z",
            "grind --dry-run --resume",
            "grind --resume --dry-run --max-parallel 2",
            "grind --resume nothing --dry-run",
            "grind --from --help --resume",
        ],
    )
    def test_options_say_the_same_with_click_and_without(self, project: Project, command: str) -> None:
        project.prompt("chore", "true", max_runs=3, tags=["a", "b"])

        assert project.pitboss(*command.split()) == project.pitboss("-v", *command.split())
        loaded = imported(project, *command.split())
        assert "pitboss.cli.main" in loaded
        assert "click" not in loaded
        assert "click" in imported(project, "-v", *command.split())

    @pytest.mark.parametrize(
        "command",
        [
            "grind --dry-run --max-parallel 0",
            "grind --dry-run --max-cost",
            "grind --dry-run --prompts-dir .git/HEAD",
            "grind --dry-run --max-parallel=2",
            "grind --dry-run stray",
            "grind --nope",
        ],
    )
    def test_what_is_not_plain_is_left_to_click(self, project: Project, command: str) -> None:
        project.prompt("chore", "true", max_runs=3)

        assert project.pitboss(*command.split()) == project.pitboss("-v", *command.split())
        assert "click" in imported(project, *command.split())

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_row_of_the_table_leads_to_a_documented_command(self, name: str) -> None:
        command = pitboss.get_command(click.Context(pitboss), name)

        assert isinstance(command, click.Command)
        assert command.name == name
        assert command.help


class TestErrors:
    @pytest.mark.parametrize(
        ("args", "error", "where"),
        [
            (["--nope"], "No such option '--nope'.", "pitboss"),
            (["nope"], "there is no command 'nope'", "pitboss"),
            (["runs", "--nope"], "No such option '--nope'.", "pitboss runs"),
            (["show", "x", "0"], "Invalid value for '[SEQ]': 0 is too small: at least 1", "pitboss show"),
            (["grind", "--max-cost", "much"], "Invalid value for '--max-cost'", "pitboss grind"),
        ],
    )
    def test_a_wrong_command_line_exits_4_and_says_where_help_is(
        self, project: Project, args: list[str], error: str, where: str
    ) -> None:
        done = project.pitboss(*args)

        assert done.code == 4
        assert done.out == ""
        first, hint = done.err.splitlines()
        assert first.startswith(f"error: {error}")
        assert hint == f"hint: `{where} --help` shows how to use it"

    def test_an_expected_failure_is_an_error_and_a_hint(self, project: Project) -> None:
        assert project.pitboss("status") == (
            1,
            "",
            f"error: there are no runs under {project.root}\nhint: `pitboss grind` starts one\n",
        )

    def test_every_problem_of_the_users_files_is_a_line(self, project: Project) -> None:
        project.write(".pitboss/grind/prompts/a.md", "no fence\n")
        project.write(".pitboss/grind/prompts/b.md", "---\nname: b\n---\n")

        done = project.pitboss("grind")

        assert done.code == 4
        *errors, hint = done.err.splitlines()
        assert [line.split(":")[0] for line in errors] == ["error"] * len(errors)
        assert {name for name in ("a.md", "b.md") if any(name in line for line in errors)} == {"a.md", "b.md"}
        assert hint == "hint: `pitboss prompts validate` checks all prompts"

    def in_a_shell(self, project: Project, script: str, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script, "sh", *COMMAND, *args],
            cwd=project.root,
            env=project.env,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_a_bug_or_an_unforeseen_failure_is_no_traceback_unless_asked_for(self, project: Project) -> None:
        cannot_be_written = 'exec "$@" 1<README.md'

        quiet = self.in_a_shell(project, cannot_be_written, "runs")
        verbose = self.in_a_shell(project, cannot_be_written, "-v", "runs")

        what = "error: internal error: OSError: [Errno 9] Bad file descriptor"
        assert (quiet.returncode, verbose.returncode) == (70, 70)
        assert quiet.stderr.splitlines() == [
            what,
            "hint: please report this with the output of the same command after `pitboss -v`",
        ]
        assert verbose.stderr.startswith("Traceback (most recent call last):\n")
        assert what in verbose.stderr

    @pytest.mark.parametrize(
        "args",
        [
            ("runs",),
            ("status",),
            ("grind",),
            ("grind", "--resume"),
            ("grind", "--dry-run"),
            ("repair", "x"),
            ("rescue", "ls"),
            ("prompts", "ls"),
            ("doctor",),
            ("init",),
            ("events",),
        ],
        ids=" ".join,
    )
    def test_a_current_directory_that_was_deleted_is_no_bug(
        self, project: Project, args: tuple[str, ...]
    ) -> None:
        done = self.in_a_shell(project, 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', *args)

        assert done.returncode == 4
        error, hint = done.stderr.splitlines()
        assert error == "error: the current directory no longer exists"
        assert hint.startswith("hint: go to a directory that exists")

    def test_ctrl_c_ends_a_command_quietly(self, project: Project) -> None:
        project.prompt("a-first", "true", max_runs=1)
        project.prompt("b-wait", "until [ -e ../go ]; do sleep 0.05; done", max_runs=1)
        with project.started("grind") as run:
            wait_until(lambda: "a-first" in project.pitboss("log").out)
            with project.started("log", "-f") as log:
                assert log.stdout is not None
                assert b"a-first" in log.stdout.readline()
                log.send_signal(signal.SIGINT)
                assert finish(log) == (130, "", "")
            (project.root.parent / "go").touch()
            assert finish(run).code == 0

    def test_a_reader_that_has_seen_enough_ends_a_command_quietly(self, project: Project) -> None:
        state = run_state(run_id="rid")
        with RunDir.create(project.root, state) as rundir:
            rundir.paths.log.write_bytes(b"".join(encode_record(record(seq)) for seq in range(1, 5001)))

        with project.started("log", "rid") as log:
            assert log.stdout is not None
            assert log.stdout.readline().startswith(b"2026-04-30T18:01:00Z session-0001 ok      alpha")
            log.stdout.close()
            assert log.stderr is not None
            assert (log.wait(60), log.stderr.read()) == (141, b"")


class TestOutput:
    def test_color_is_for_terminals_and_for_those_who_insist(self, project: Project) -> None:
        plain = project.pitboss("nope").err
        colored = project.pitboss("nope", FORCE_COLOR="1").err

        assert "\x1b" not in plain
        assert colored.startswith("\x1b[31merror:\x1b[0m there is no command")
        assert project.pitboss("nope", FORCE_COLOR="0").err == plain
        assert project.pitboss("nope", FORCE_COLOR="1", NO_COLOR="1").err == plain

    def test_characters_that_the_locale_lacks_are_escaped(self, project: Project) -> None:
        folder = project.root / "größe"
        folder.mkdir()
        (folder / ".git").mkdir()

        done = project.pitboss("status", cwd=folder, PYTHONIOENCODING="ascii")

        assert done.code == 1
        assert "gr\\xf6\\xdfe\n" in done.err


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_gets_its_script(self, project: Project, shell: str) -> None:
        done = project.pitboss("completion", shell)

        assert done.code == 0
        assert f"_PITBOSS_COMPLETE={shell}_complete" in done.out

    def test_commands_and_options_are_completed(self, project: Project) -> None:
        def completed(words: str) -> list[str]:
            count = str(len(words.split(" ")) - 1)
            done = project.pitboss(_PITBOSS_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count)
            return done.out.split()

        assert completed("pitboss st") == ["plain,stop", "plain,status"]
        assert completed("pitboss --ver") == ["plain,--version", "plain,--verbose"]
        assert "plain,--json" in completed("pitboss runs --")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_with_closed_streams_does_its_work(tmp_path: Path, closed: str) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "echo text >kept.txt", max_runs=1)
    script = f"exec {shlex.join(COMMAND)} grind {closed}"
    done = subprocess.run(
        ["sh", "-c", script], cwd=project.root, env=project.env, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stdout + done.stderr
    assert project.git("show", f"{the_run(project).branch}:kept.txt") == "text\n"


@pytest.mark.parametrize("amount", ["nan", "inf", "1e400", "-1"])
def test_a_cost_cap_is_an_amount(tmp_path: Path, amount: str) -> None:
    done = Project.create(tmp_path / "repo").pitboss("grind", f"--max-cost={amount}")
    assert (done.code, done.out) == (4, "")
