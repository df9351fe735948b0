"""The house keeps its shape: import contracts, and sizes and names that docs promise (architecture.md)."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from importlinter.cli import lint_imports

from pitboss.cli.shared.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "pitboss"
NAMES = sorted(str(module.relative_to(PACKAGE)) for module in PACKAGE.rglob("*.py"))

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40
READ_FROM_FILES = ("budget", "config", "prompt", "quota", "run", "scheduler", "selection", "session", "usage")
SLOW_TO_IMPORT = {
    "asyncio",
    "dataclasses",
    "genai_prices",
    "importlib.metadata",
    "logging",
    "psutil",
    "rich",
    "yaml",
}
BY_PATH = re.compile(
    r"open|(os|shutil)\.(open|unlink|remove|rename|replace|mkdir|makedirs|rmtree|listdir|stat|lstat|chmod)"
    r"|.*\.(read_text|read_bytes|write_text|write_bytes|touch|unlink|mkdir|rmdir|exists|is_file|is_dir|iterdir|glob|chmod)"
)
AT_A_RUN = (
    "app.py",
    "engine/",
    "landing/",
    "process/",
    "store/",
    "hooks.py",
    "hosts/",
    "agents/driver.py",
    "agents/command.py",
    "cli/shared/guarded.py",
)
NOT_OF_A_RUN = {
    ("landing/user_checkout.py", "(self._repo.root / path).unlink"),  # files of the tree
    ("landing/kept_hooks.py", "(self._root / top).is_dir"),
    ("store/library.py", "folder.iterdir"),  # prompts and rotations: the user may keep them behind a link
    ("store/backup.py", "place.is_dir"),
    ("store/backup.py", "place.iterdir"),
    ("landing/put_back.py", "git_dir.is_dir"),
    ("store/git_dir.py", "link.is_dir"),
    ("store/lock.py", "os.open"),  # git's own folder
    ("store/anchors.py", "os.open"),  # the user's folder that a way begins in
    ("store/one_call.py", "os.open"),  # the root, to try the call
    ("store/git_dir.py", "folder.is_dir"),
    ("store/git_dir.py", "linked.iterdir"),
    ("store/tls_files.py", "folder.mkdir"),  # where the user wants them
    ("process/holding.py", "Path(_SWITCHES, name).read_text"),  # the kernel's
    ("store/catalogue.py", "entry.is_dir"),  # of a folder that is open
    ("store/modes.py", "entry.is_dir"),  # the same
    ("store/modes.py", "os.chmod"),  # of a descriptor
    ("store/stamps.py", "os.stat"),  # the user's and git's
    ("process/fencing.py", "os.open"),  # what is mounted where: no content is read
    ("hosts/fencing.py", "Path(folder).mkdir"),  # an agent's own folder, in the user's home
    ("hosts/fencing.py", "os.open"),  # the same
}
IN_GITS_HANDS = {
    "landing/fenced_git.py",
    "landing/found_files.py",
    "landing/guard.py",
    "landing/shared_refs.py",
    "store/opening.py",
    "landing/rescuer.py",
    "landing/slot.py",
    "landing/slot_reset.py",
    "landing/slot_settings.py",
    "landing/stand_in.py",
    "landing/worktrees.py",
}
PAST_THE_SCREEN = {"screens/output.py", "agents/acp/client.py"}  # the second one prints into a pipe of ours
OF_A_RUN = re.compile(r"\b(?:sessions?|slots?|seq|run_id|RUN_ID)\b|pitboss/|\.pitboss\b")
SUBJECTS = {"core/text/commits.py", "cli/rescue.py"}  # `[pitboss/grind]` begins the subject of a commit
OF_A_HOST = {
    *(
        "environ",
        "environb",
        "getenv",
        "getenvb",
        "system",
        "popen",
        "fork",
        "posix_spawn",
        "kill",
        "killpg",
        "uname",
    ),
    *("cwd", "getcwd", "chdir", "worktrees", "working_copy", "nodename"),
}
REF_NAMES = re.compile(r"refs/pitboss|pitboss/(?:grind|rescue)")
SAYS_NOTHING = re.compile(r"utils?|helpers?|managers?|misc|common|tools?", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def text(name: str) -> str:
    return (PACKAGE / name).read_text(encoding="utf-8")


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(text(name))


def functions(module: ast.Module) -> list[Function]:
    return [node for node in ast.walk(module) if isinstance(node, Function)]


def strings(module: ast.Module) -> list[str]:
    """Every text in a module that is not an expression by itself, as docstrings are."""
    docs = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(module) if isinstance(node, ast.Constant) and id(node) not in docs)
    return [node.value for node in constants if isinstance(node.value, str)]


def words_of_code(module: ast.Module) -> set[str]:
    """The attributes and imported names in a module."""
    nodes = list(ast.walk(module))
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    imported = (node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))
    return named | {alias.name for node in imported for alias in node.names}


def modules_in(package: str) -> list[str]:
    return [name for name in NAMES if name.rpartition("/")[0] == package]


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@cache
def by_path(name: str) -> set[str]:
    """The calls in a module that reach a file by its path alone."""
    calls = [node for node in ast.walk(tree(name)) if isinstance(node, ast.Call)]
    blind = (call for call in calls if not any((word.arg or "").endswith("dir_fd") for word in call.keywords))
    return {called for call in blind if BY_PATH.fullmatch(called := ast.unparse(call.func))}


def bytes_to_a_terminal(name: str) -> list[str]:
    """Where a module writes bytes to stdout or stderr."""
    return re.findall(r"std(?:out|err)\.buffer|os\.write\([12],", text(name))


def spelling_refs() -> set[str]:
    """The modules that spell the name of a ref."""
    return {name for name in NAMES for written in strings(tree(name)) if REF_NAMES.search(written)}


def test_there_is_something_to_look_at() -> None:
    assert "core/recovery/plan.py" in NAMES


def test_every_import_contract_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out


def test_starting_up_loads_nothing_heavy() -> None:
    ask = f"import sys, pitboss.cli.main; print(*{SLOW_TO_IMPORT!r} & sys.modules.keys())"
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    answer = subprocess.run(
        [sys.executable, "-c", ask], env=alone, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.split() == []


def test_git_knows_neither_runs_nor_sessions_nor_what_pitboss_calls_its_refs() -> None:
    known = {name: OF_A_RUN.findall(text(name)) for name in modules_in("git")}
    assert known
    assert {name: words for name, words in known.items() if words} == {}


def test_the_engine_knows_neither_the_environment_nor_the_trees_of_sessions() -> None:
    """Both are a host's, which may be another machine; what starts processes is in the import contracts."""
    known = {name: words_of_code(tree(name)) & OF_A_HOST for name in modules_in("engine")}
    assert known
    assert {name: words for name, words in known.items() if words} == {}


@pytest.mark.parametrize("name", READ_FROM_FILES)
def test_fields_of_what_is_read_from_files_have_types_and_not_their_names(name: str) -> None:
    """msgspec asks for them whenever a command reads a run, and looking names up takes as long as all the rest."""
    kinds = [kind for kind in vars(import_module(f"pitboss.core.{name}")).values() if isinstance(kind, type)]
    written = [
        each for kind in kinds if issubclass(kind, msgspec.Struct) for each in kind.__annotations__.values()
    ]
    assert written
    assert not any(isinstance(each, str) for each in written)


def test_one_file_in_cli_is_one_command() -> None:
    assert {module.stem for module in PACKAGE.glob("cli/*.py")} - {"__init__", "main"} == set(COMMANDS)


def test_no_two_classes_have_one_name() -> None:
    """Private ones aside: nobody else meets those."""
    classes = [
        node.name
        for name in NAMES
        for node in tree(name).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert sorted(classes) == sorted(set(classes))


def test_types_of_our_own_reach_msgspec_through_one_door() -> None:
    """Two threads that meet a type at once crash msgspec; dicts of anything have nothing to meet."""
    handing_types = re.compile(
        r"(?:msgspec\.convert|json\.Decoder|type=(?!dict\[str, (?:Any|object)\]\)))[^\n]*"
    )
    reading = re.compile(r"msgspec\.(?:convert|\w+\.(?:decode|Decoder))\([^\n]*")
    calls = {(name, call) for name in NAMES for call in reading.findall(text(name))}
    assert {name for name, call in calls if handing_types.search(call)} == {"typed.py"}


def test_names_of_refs_are_spelled_in_one_module() -> None:
    """All but documentation: what a comment or a docstring says need not be looked up."""
    assert spelling_refs() - SUBJECTS == {"landing/refs.py"}


def test_no_exception_is_left_that_nothing_needs() -> None:
    reached = {(name, call) for name in NAMES for call in by_path(name)}
    watched = {(name, call) for name, call in reached if name.startswith(AT_A_RUN)}
    printing = {name for name in NAMES if bytes_to_a_terminal(name)}
    assert NOT_OF_A_RUN - watched == set()
    assert IN_GITS_HANDS - {name for name, _ in watched} == set()
    assert PAST_THE_SCREEN - printing == set()
    assert SUBJECTS - spelling_refs() == set()


class TestModules:
    """What holds for every module; a test for each module and rule would be four thousand."""

    def test_their_docstrings_say_in_one_sentence_why_they_exist(self) -> None:
        first_lines = {
            name: (ast.get_docstring(tree(name)) or "no docstring\n").splitlines()[0] for name in NAMES
        }
        assert {name: said for name, said in first_lines.items() if not re.search(r"[.:;]$", said)} == {}

    def test_they_are_short(self) -> None:
        lengths = {name: len(text(name).splitlines()) for name in NAMES}
        assert {name: lines for name, lines in lengths.items() if lines > MAX_MODULE_LINES} == {}

    def test_their_functions_are_short(self) -> None:
        lengths = [(name, f.name, length(f)) for name in NAMES for f in functions(tree(name))]
        assert [long for long in lengths if long[-1] > MAX_FUNCTION_LINES] == []

    def test_they_reach_what_is_of_a_run_by_the_one_way_there(self) -> None:
        """`store.opening` follows no link; who calls the system has a folder that is open already (SPEC 1.6)."""
        at_a_run = (name for name in NAMES if name.startswith(AT_A_RUN) and name not in IN_GITS_HANDS)
        assert {(name, call) for name in at_a_run for call in by_path(name)} - NOT_OF_A_RUN == set()

    def test_their_bytes_reach_a_terminal_by_the_one_way_there(self) -> None:
        """`screens.terminal` lets pass no text that a terminal acts on; bytes would go around it (SPEC 1.6)."""
        written = {name: bytes_to_a_terminal(name) for name in NAMES if name not in PAST_THE_SCREEN}
        assert {name: places for name, places in written.items() if places} == {}

    def test_their_names_say_what_is_in_them(self) -> None:
        assert [name for name in NAMES if SAYS_NOTHING.fullmatch(Path(name).stem)] == []
