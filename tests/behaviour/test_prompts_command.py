"""`pitboss init` and `pitboss prompts` as real commands in real folders (SPEC 2, 8)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.disk import largest_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME_RULE = "a-z, 0-9, `-` and `_`, and begin with a letter or digit"


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@pytest.fixture
def pitboss(tmp_path: Path, repo: Path) -> Callable[..., Said]:
    """Runs `pitboss ARGS` in the repository, or in another `cwd`, with a home folder of its own."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}

    def run(*args: str, cwd: Path = repo) -> Said:
        argv = [sys.executable, "-m", "pitboss", *args]
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=60)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def prompts(repo: Path) -> Path:
    folder = repo / ".pitboss" / "grind" / "prompts"
    folder.mkdir(parents=True)
    return folder


def write_prompt(folder: Path, name: str, *, file: str | None = None, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file or name}.md"
    path.write_text(
        f"---\nname: {name}\ndescription: About {name}\n{more}---\nDo {name}.\n", encoding="utf-8"
    )
    return path


def test_ls_aligns_every_prompt_under_its_headings_from_any_folder_of_the_repository(
    pitboss: Callable[..., Said], repo: Path, prompts: Path, tmp_path: Path
) -> None:
    alpha = write_prompt(prompts, "alpha", more="weight: 10\nverify: true\n")
    longer = write_prompt(
        tmp_path / "home" / ".pitboss" / "grind" / "prompts", "much-longer", more="every: 3\n"
    )
    deeper = repo / "src" / "deeper"
    deeper.mkdir(parents=True)
    assert pitboss("prompts", "ls", cwd=deeper) == Said(
        0,
        "NAME         SOURCE   WEIGHT  EVERY  VERIFY  PATH\n"
        f"alpha        project  10      1      yes     {alpha}\n"
        f"much-longer  global   1       3      no      {longer}\n",
        "",
    )


def test_ls_without_prompts_says_so(pitboss: Callable[..., Said], tmp_path: Path) -> None:
    assert pitboss("prompts", "ls") == Said(0, "no prompts discovered\n", "")
    assert pitboss("prompts", "ls", cwd=tmp_path) == Said(0, "no prompts discovered\n", "")


def test_ls_lists_the_good_complains_about_the_bad_and_mentions_the_shadowed(
    pitboss: Callable[..., Said], prompts: Path, tmp_path: Path
) -> None:
    alpha = write_prompt(prompts, "alpha")
    bad = write_prompt(prompts, "bad", more="weight: 0\n")
    hidden = write_prompt(tmp_path / "home" / ".pitboss" / "grind" / "prompts", "alpha")
    assert pitboss("prompts", "ls") == Said(
        1,
        f"NAME   SOURCE   WEIGHT  EVERY  VERIFY  PATH\nalpha  project  1       1      no      {alpha}\n",
        f"note: 'alpha' in {hidden} is not used: {alpha} comes first\n"
        f"error: {bad}: line 4: weight: must be a whole number >= 1, not 0\n",
    )


def test_ls_json_has_every_setting_and_everything_that_is_wrong(
    pitboss: Callable[..., Said], prompts: Path, tmp_path: Path
) -> None:
    alpha = write_prompt(prompts, "alpha", more="tags: [night]\nmax_session_cost_usd: 1.5\n")
    bad = write_prompt(prompts, "bad", more="weight: 0\n")
    hidden = write_prompt(tmp_path / "home" / ".pitboss" / "grind" / "prompts", "alpha")
    said = pitboss("prompts", "ls", "--json")
    assert said.code == 1
    assert json.loads(said.out) == {
        "prompts": [
            {
                "name": "alpha",
                "source": "project",
                "path": str(alpha),
                "description": "About alpha",
                "weight": 1,
                "every": 1,
                "max_runs": None,
                "max_barren": None,
                "verify": False,
                "parallel_safe": False,
                "tags": ["night"],
                "max_session_seconds": None,
                "max_session_cost_usd": 1.5,
                "agent": None,
                "model": None,
            }
        ],
        "shadowed": [{"name": "alpha", "path": str(hidden), "used_path": str(alpha)}],
        "problems": [
            {"file": str(bad), "line": 4, "field": "weight", "reason": "must be a whole number >= 1, not 0"}
        ],
    }


def test_validate_gives_one_line_for_each_bad_file_and_counts(
    pitboss: Callable[..., Said], prompts: Path
) -> None:
    assert pitboss("prompts", "validate") == Said(0, "0 prompt(s) ok, 0 error(s)\n", "")
    first = write_prompt(prompts, "alpha")
    assert pitboss("prompts", "validate") == Said(0, "1 prompt(s) ok, 0 error(s)\n", "")
    twice = write_prompt(prompts, "alpha", file="beta")
    bad = write_prompt(prompts, "gamma", more="weight: 0\nevry: 2\n")
    os.mkfifo(prompts / "pipe.md")
    assert pitboss("prompts", "validate") == Said(
        1,
        "2 prompt(s) ok, 2 error(s)\n",
        f"error: {bad}: line 4: weight: must be a whole number >= 1, not 0; "
        "line 5: evry: unknown key; did you mean 'every'?\n"
        f"error: {prompts / 'pipe.md'}: is not a regular file\n"
        f"warning: {twice} is not used: {first} defines 'alpha' too\n",
    )


def test_another_prompts_folder_can_be_asked_for_and_configured(
    pitboss: Callable[..., Said], repo: Path
) -> None:
    write_prompt(repo / "mine", "alpha")
    listed = "NAME   SOURCE    WEIGHT  EVERY  VERIFY  PATH\nalpha  override  1       1      no      "
    assert pitboss("prompts", "ls", "--prompts-dir", "mine") == Said(0, f"{listed}mine/alpha.md\n", "")
    (repo / ".pitboss").mkdir()
    (repo / ".pitboss" / "config.toml").write_text('[grind]\nprompts_dir = "mine"\n', encoding="utf-8")
    assert pitboss("prompts", "ls") == Said(0, f"{listed}{repo}/mine/alpha.md\n", "")
    assert pitboss("prompts", "new", "beta") == Said(0, f"created {repo}/mine/beta.md\n", "")


def test_new_writes_a_prompt_that_is_valid_with_its_comments_and_without(
    pitboss: Callable[..., Said], prompts: Path
) -> None:
    path = prompts / "alpha-2.md"
    assert pitboss("prompts", "new", "alpha-2") == Said(0, f"created {path}\n", "")
    as_written = json.loads(pitboss("prompts", "show", "alpha-2", "--json").out)
    lines = path.read_text(encoding="utf-8").split("\n")
    path.write_text(
        "\n".join(line.removeprefix("#") for line in lines if not line.startswith("# ")), encoding="utf-8"
    )
    uncommented = json.loads(pitboss("prompts", "show", "alpha-2", "--json").out)
    examples = {
        "max_runs": 10,
        "max_barren": 3,
        "max_session_seconds": 1800,
        "max_session_cost_usd": 1.5,
        "agent": "claude_code",
        "model": "sonnet",
    }
    assert uncommented == {**as_written, **examples}


def test_a_prompt_that_nobody_edited_is_an_error(pitboss: Callable[..., Said], prompts: Path) -> None:
    pitboss("prompts", "new", "alpha")
    write_prompt(prompts, "beta")
    said = pitboss("prompts", "validate")
    assert (said.code, said.out) == (1, "1 prompt(s) ok, 1 error(s)\n")
    assert said.err.startswith(f"error: {prompts}/alpha.md: body: is still the template's text")
    (prompts / "alpha.md").write_text("---\nname: alpha\ndescription: d\n---\nDo it.\n", encoding="utf-8")
    assert pitboss("prompts", "validate") == Said(0, "2 prompt(s) ok, 0 error(s)\n", "")


def test_a_slash_command_is_warned_about(pitboss: Callable[..., Said], prompts: Path) -> None:
    write_prompt(prompts, "alpha").write_text("---\nname: alpha\ndescription: d\n---\n\n/review\n")
    said = pitboss("prompts", "validate")
    assert (said.code, said.out) == (0, "1 prompt(s) ok, 0 error(s)\n")
    assert said.err.startswith(f"warning: {prompts}/alpha.md: body: begins with the slash command /review")


def test_new_makes_a_prompt_of_a_command_a_skill_or_a_text(
    pitboss: Callable[..., Said], repo: Path, prompts: Path
) -> None:
    command = repo / ".claude" / "commands" / "fix.md"
    command.parent.mkdir(parents=True)
    command.write_text("---\nallowed-tools: Read\nmodel: opus\n---\n/review $1\n", encoding="utf-8")
    said = pitboss("prompts", "new", "--from", str(command))
    assert (said.code, said.out) == (0, f"created {prompts}/fix.md\n")
    notes = said.err.splitlines()
    assert notes[0].startswith("note: dropped `allowed-tools`: ")
    assert notes[1].startswith('note: line 1 of the text: "$1": ')
    assert notes[2].startswith(f"warning: {prompts}/fix.md: body: begins with the slash command /review")
    assert json.loads(pitboss("prompts", "show", "fix", "--json").out)["model"] == "opus"

    skill = repo / "skills" / "look-around"
    (skill / "scripts").mkdir(parents=True)
    (skill / "SKILL.md").write_text("---\ndescription: Looks\n---\nLook.\n", encoding="utf-8")
    assert pitboss("prompts", "new", "--from", str(skill)) == Said(
        0,
        f"created {prompts}/look-around.md\n",
        f"note: not copied: scripts from {skill}; name their paths in the text\n",
    )
    assert pitboss("prompts", "new", "again", "--from", str(skill / "SKILL.md")).code == 0
    assert json.loads(pitboss("prompts", "show", "again", "--json").out)["body"] == "Look.\n"
    assert pitboss("prompts", "validate").code == 0


def test_new_from_what_is_no_text_is_an_error(pitboss: Callable[..., Said], repo: Path) -> None:
    assert pitboss("prompts", "new", "a", "--from", "missing.md") == Said(
        4, "", "error: missing.md: does not exist\n"
    )
    assert pitboss("prompts", "new").code == 4
    (repo / "empty.md").write_text("", encoding="utf-8")
    said = pitboss("prompts", "new", "--from", "empty.md")
    assert (said.code, said.err) == (4, "error: empty.md: has no text to give to an agent\n")
    assert not (repo / ".pitboss").exists()


def test_new_never_overwrites(pitboss: Callable[..., Said], prompts: Path) -> None:
    path = write_prompt(prompts, "alpha")
    before = path.read_bytes()
    assert pitboss("prompts", "new", "alpha") == Said(1, "", f"error: refusing to overwrite {path}\n")
    assert path.read_bytes() == before


def test_new_never_writes_through_a_dangling_symlink(pitboss: Callable[..., Said], prompts: Path) -> None:
    (prompts / "alpha.md").symlink_to("elsewhere.md")
    assert pitboss("prompts", "new", "alpha").code == 1
    assert not (prompts / "elsewhere.md").exists()


@pytest.mark.parametrize("name", ["Alpha", "../alpha", "a b", ""])
def test_new_refuses_a_bad_name(pitboss: Callable[..., Said], repo: Path, name: str) -> None:
    assert pitboss("prompts", "new", name) == Said(
        1,
        "",
        f"error: the prompt's name must be of {NAME_RULE}, not {name!r}\n",
    )
    assert not (repo / ".pitboss").exists()


def test_new_writes_to_the_global_folder_or_any_other(
    pitboss: Callable[..., Said], repo: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "home" / ".pitboss" / "grind" / "prompts" / "alpha.md"
    assert pitboss("prompts", "new", "alpha", "--global") == Said(0, f"created {shared}\n", "")
    assert pitboss("prompts", "new", "alpha", "--dir", "a/b") == Said(0, "created a/b/alpha.md\n", "")
    assert (repo / "a" / "b" / "alpha.md").read_bytes() == shared.read_bytes()
    both = pitboss("prompts", "new", "beta", "--global", "--dir", "a")
    assert both.code == 4
    assert both.err.startswith("error: --global and --dir cannot be combined\n")


def test_new_says_why_a_folder_cannot_be_made(pitboss: Callable[..., Said], repo: Path) -> None:
    (repo / "file").write_text("", encoding="utf-8")
    assert pitboss("prompts", "new", "alpha", "--dir", "file") == Said(
        1, "", "error: cannot create file/alpha.md: File exists\n"
    )


def test_show_prints_where_a_prompt_is_all_its_settings_and_its_body(
    pitboss: Callable[..., Said], prompts: Path
) -> None:
    path = write_prompt(prompts, "alpha", more="verify: true\ntags: [a, b]\n")
    assert pitboss("prompts", "show", "alpha") == Said(
        0,
        f"""name                  alpha
source                project
path                  {path}
description           About alpha
weight                1
every                 1
max_runs              none
max_barren            none
verify                yes
parallel_safe         no
tags                  a, b
max_session_seconds   none
max_session_cost_usd  none
agent                 none
model                 none

Do alpha.
""",
        "",
    )
    assert json.loads(pitboss("prompts", "show", "alpha", "--json").out)["body"] == "Do alpha.\n"


def test_show_of_no_prompt_suggests_the_nearest_and_of_a_bad_one_says_what_is_wrong(
    pitboss: Callable[..., Said], prompts: Path
) -> None:
    write_prompt(prompts, "alpha")
    bad = write_prompt(prompts, "bad", more="weight: 0\n")
    assert pitboss("prompts", "show", "alhpa") == Said(
        1,
        "",
        "error: no prompt is named 'alhpa'; did you mean 'alpha'?\n"
        "hint: `pitboss prompts ls` lists all prompts\n",
    )
    assert pitboss("prompts", "show", "bad") == Said(
        4, "", f"error: {bad}:4: weight: must be a whole number >= 1, not 0\n"
    )


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below `folder` outside of git's, with the content of files."""
    below = (path for path in folder.rglob("*") if ".git" not in path.relative_to(folder).parts)
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in below}


def test_init_prepares_a_repository_and_says_what_it_did(pitboss: Callable[..., Said], repo: Path) -> None:
    below = repo / "src"
    below.mkdir()
    grind = repo / ".pitboss" / "grind"
    assert pitboss("init", cwd=below) == Said(
        0,
        f"created {grind}/prompts/\n"
        f"created {grind}/rotations/\n"
        f"created {repo}/.pitboss/config.toml\n"
        f"created {grind}/prompts/hello.md\n"
        f"added .pitboss/ to {repo}/.gitignore\n",
        f"note: a run ends once it has cost $10: [grind.budgets] max_cost_usd in {repo}/.pitboss/config.toml\n"
        "next: commit .gitignore (a run needs a clean working tree), then `pitboss grind --dry-run`\n",
    )
    assert "\nmax_cost_usd = 10.0\n" in (repo / ".pitboss/config.toml").read_text(encoding="utf-8")
    assert (repo / ".gitignore").read_bytes() == b".pitboss/\n"
    assert pitboss("prompts", "validate") == Said(0, "1 prompt(s) ok, 0 error(s)\n", "")
    status = subprocess.run(
        ["git", "status", "--short"], cwd=repo, check=True, capture_output=True, text=True
    )
    assert status.stdout == "?? .gitignore\n"


@pytest.mark.parametrize("found", [".pitboss/\n", "/.pitboss\n", ".gitignore\n"])
def test_init_asks_for_a_commit_only_where_there_is_something_to_commit(
    pitboss: Callable[..., Said], repo: Path, found: str
) -> None:
    (repo / ".gitignore").write_text(found, encoding="utf-8")
    for words in (("add", "-f", "."), ("-c", "user.name=u", "-c", "user.email=u@x", "commit", "-qm", "one")):
        subprocess.run(["git", *words], cwd=repo, check=True)
    says_commit = "commit .gitignore" in pitboss("init").err
    assert says_commit is (found == ".gitignore\n")


def test_init_twice_changes_nothing(pitboss: Callable[..., Said], repo: Path) -> None:
    pitboss("init")
    before = tree(repo)
    assert pitboss("init") == Said(0, f"nothing to do: {repo} is ready for pitboss\n", "")
    assert tree(repo) == before


def test_init_keeps_what_is_there(pitboss: Callable[..., Said], repo: Path, prompts: Path) -> None:
    (repo / ".pitboss" / "config.toml").write_text("# mine\n", encoding="utf-8")
    mine = write_prompt(prompts, "mine")
    assert pitboss("init").code == 0
    assert (repo / ".pitboss" / "config.toml").read_text(encoding="utf-8") == "# mine\n"
    assert list(prompts.iterdir()) == [mine]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b".pitboss/\n"),
        (b"build/\n", b"build/\n.pitboss/\n"),
        (b"build/", b"build/\n.pitboss/\n"),
        (b"build/\r\ndist/", b"build/\r\ndist/\r\n.pitboss/\r\n"),
        (b"build/\r\n", b"build/\r\n.pitboss/\r\n"),
        (b"\xff\n\n", b"\xff\n\n.pitboss/\n"),
        (b"# .pitboss/\n", b"# .pitboss/\n.pitboss/\n"),
        (b"a\n.pitboss/  \nb", b"a\n.pitboss/  \nb"),
        (b"/.pitboss\r\n", b"/.pitboss\r\n"),
    ],
)
def test_init_adds_one_line_to_gitignore_and_keeps_the_rest_to_the_byte(
    pitboss: Callable[..., Said], repo: Path, before: bytes, after: bytes
) -> None:
    (repo / ".gitignore").write_bytes(before)
    assert pitboss("init").code == 0
    assert (repo / ".gitignore").read_bytes() == after


def test_init_outside_of_git_works_and_says_what_is_missing(
    pitboss: Callable[..., Said], tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    said = pitboss("init", cwd=plain)
    assert said.code == 0
    assert said.err.endswith(
        f"note: {plain} is not in a git repository; run `git init` and commit before `pitboss grind`\n"
    )
    assert pitboss("prompts", "validate", cwd=plain) == Said(0, "1 prompt(s) ok, 0 error(s)\n", "")


def test_init_where_a_file_is_in_the_way_is_one_error(pitboss: Callable[..., Said], repo: Path) -> None:
    (repo / ".pitboss").write_text("", encoding="utf-8")
    said = pitboss("init")
    assert (said.code, said.out) == (1, "")
    assert said.err == f"error: cannot prepare {repo}: {repo}/.pitboss/grind/prompts: Not a directory\n"


@pytest.mark.parametrize(
    ("args", "made"),
    [
        ("init", ".pitboss/config.toml"),
        ("prompts new alpha", ".pitboss/grind/prompts/alpha.md"),
        ("prompts new alpha --dir own", "own/alpha.md"),
        ("prompts new --from README.md", ".pitboss/grind/prompts/readme.md"),
    ],
)
def test_a_file_is_made_whole_or_not_at_all(
    pitboss: Callable[..., Said], repo: Path, args: str, made: str
) -> None:
    (repo / "README.md").write_text("Mend it.\n" * 10, encoding="utf-8")
    with largest_file(80):
        failed = pitboss(*args.split())
    assert (failed.code, f"{made}: File too large\n" in failed.err) == (1, True)
    assert not (repo / made).exists()
    assert pitboss(*args.split()).code == 0
    assert (repo / made).stat().st_size > 80
