"""Discovery of prompts, choice of the rotation, and loading everything with all errors at once (SPEC 2, 5)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pitboss.core.config import Config, GrindSettings
from pitboss.core.prompt import PromptSource
from pitboss.core.prompt_template import new_prompt
from pitboss.core.rotation import Entry, Rotation
from pitboss.core.selection import Selection
from pitboss.errors import CommandError, InputError, StartError
from pitboss.store.kept_prompts import drop_kept, keep_prompt, kept_prompts
from pitboss.store.library import (
    Library,
    Shadowed,
    configured_prompts_dir,
    discover_prompts,
    doubles,
    find_prompt,
    load_inputs,
    load_rotation,
)
from pitboss.store.paths import RunPaths, config_path, prompts_dir, rotations_dir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "repo"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_prompt(folder: Path, name: str, *, file: str | None = None, more: str = "") -> Path:
    return write(
        folder / f"{file or name}.md",
        f"---\nname: {name}\ndescription: d\n{more}---\nbody of {folder.name}\n",
    )


def found(library: Library) -> list[tuple[str, str, str]]:
    return [(name, doc.source_kind.value, doc.source_path) for name, doc in library.prompts.items()]


def complaints(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    return [str(problem) for problem in error.value.problems]


def test_without_any_folder_there_are_no_prompts_and_no_problems(repo: Path, home: Path) -> None:
    assert discover_prompts(repo, None, home) == Library()
    assert discover_prompts(repo, repo / "missing", home) == Library()


def test_project_prompts_come_before_global_ones_and_files_in_the_order_of_their_names(
    repo: Path, home: Path
) -> None:
    zulu = write_prompt(prompts_dir(repo), "zulu", file="1")
    alpha = write_prompt(prompts_dir(repo), "alpha", file="2")
    bravo = write_prompt(prompts_dir(home), "bravo")
    assert found(discover_prompts(repo, None, home)) == [
        ("zulu", "project", str(zulu)),
        ("alpha", "project", str(alpha)),
        ("bravo", "global", str(bravo)),
    ]


def test_the_first_folder_to_define_a_name_wins_and_the_other_is_known_to_be_shadowed(
    repo: Path, home: Path
) -> None:
    used = write_prompt(prompts_dir(repo), "alpha")
    hidden = write_prompt(prompts_dir(home), "alpha", file="other")
    library = discover_prompts(repo, None, home)
    assert found(library) == [("alpha", "project", str(used))]
    assert library.shadowed == (Shadowed(name="alpha", path=str(hidden), used_path=str(used)),)
    assert library.problems == ()


def test_a_given_folder_stands_alone(repo: Path, home: Path) -> None:
    write_prompt(prompts_dir(repo), "alpha")
    write_prompt(prompts_dir(home), "bravo")
    only = write_prompt(repo / "mine", "charlie")
    assert found(discover_prompts(repo, repo / "mine", home)) == [
        ("charlie", PromptSource.OVERRIDE, str(only))
    ]


def test_a_project_in_the_home_folder_does_not_shadow_itself(home: Path) -> None:
    write_prompt(prompts_dir(home), "alpha")
    library = discover_prompts(home, None, home)
    assert [doc.source_kind for doc in library.prompts.values()] == [PromptSource.PROJECT]
    assert library.shadowed == ()


def test_only_md_files_at_the_top_level_are_prompts(repo: Path, home: Path) -> None:
    write_prompt(prompts_dir(repo), "alpha")
    write_prompt(prompts_dir(repo) / "deeper", "bravo")
    write(prompts_dir(repo) / "notes.txt", "no prompt")
    write(prompts_dir(repo) / "draft.md~", "no prompt")
    (prompts_dir(repo) / ".#alpha.md").symlink_to("somebody@host.1234")
    library = discover_prompts(repo, None, home)
    assert list(library.prompts) == ["alpha"]
    assert library.problems == ()


def test_of_one_name_in_several_files_of_a_folder_the_first_file_by_name_is_used(
    repo: Path, home: Path
) -> None:
    third = write_prompt(prompts_dir(repo), "alpha", file="3")
    first = write_prompt(prompts_dir(repo), "alpha", file="1")
    second = write_prompt(prompts_dir(repo), "alpha", file="2")
    elsewhere = write_prompt(prompts_dir(home), "alpha")
    library = discover_prompts(repo, None, home)
    assert library.problems == ()
    assert found(library) == [("alpha", "project", str(first))]
    assert [double.path for double in library.shadowed] == [str(second), str(third), str(elsewhere)]
    assert doubles(library) == (
        f"{second} is not used: {first} defines 'alpha' too",
        f"{third} is not used: {first} defines 'alpha' too",
    )
    assert load_inputs(repo, home=home).warnings == doubles(library)


def test_a_bad_file_does_not_take_a_name_from_a_good_one(repo: Path, home: Path) -> None:
    bad = write_prompt(prompts_dir(repo), "alpha", file="1", more="weight: 0\n")
    good = write_prompt(prompts_dir(repo), "alpha", file="2")
    library = discover_prompts(repo, None, home)
    assert found(library) == [("alpha", "project", str(good))]
    assert [problem.file for problem in library.problems] == [str(bad)]


def test_a_prompt_is_found_by_name_else_its_file_or_its_name_is_said_to_be_wrong(
    repo: Path, home: Path
) -> None:
    folder = prompts_dir(repo)
    write_prompt(folder, "alpha")
    bad = write(folder / "beta.md", "no front matter\n")
    library = discover_prompts(repo, None, home)
    assert find_prompt(library, "alpha") is library.prompts["alpha"]
    with pytest.raises(InputError, match=str(bad)):
        find_prompt(library, "beta")
    with pytest.raises(CommandError, match="no prompt is named 'alhpa'; did you mean 'alpha'"):
        find_prompt(library, "alhpa")


def test_every_bad_file_is_reported_and_every_good_one_found(repo: Path, home: Path) -> None:
    folder = prompts_dir(repo)
    good = write_prompt(folder, "good")
    (folder / "a-folder.md").mkdir()
    (folder / "b-dangling.md").symlink_to("nowhere")
    (folder / "c-latin.md").write_bytes(b"---\nname: \xe4\n---\n")
    (folder / "d-nul.md").write_bytes(b"---\nname: a\0\n---\n")
    write(folder / "e-plain.md", "no fence")
    os.mkfifo(folder / "f-pipe.md")
    write(folder / "g-large.md", "")
    os.truncate(folder / "g-large.md", 50 * 1024 * 1024)
    write_prompt(folder, "h", more="weight: 0\nevery: 0\n")
    write(prompts_dir(home) / "i.md", "---\n")
    library = discover_prompts(repo, None, home)
    assert found(library) == [("good", "project", str(good))]
    assert [str(problem).removeprefix(f"{folder}/") for problem in library.problems] == [
        "a-folder.md: is a directory, not a file",
        "b-dangling.md: is a symlink whose target does not exist",
        "c-latin.md:2: is not UTF-8 text (byte 0xe4)",
        "d-nul.md:2: contains a NUL byte: this is not a text file",
        "e-plain.md:1: no frontmatter: the first line must be `---`",
        "f-pipe.md: is not a regular file",
        "g-large.md: is larger than 1024 KiB",
        "h.md:4: weight: must be a whole number >= 1, not 0",
        "h.md:5: every: must be a whole number >= 1, not 0",
        f"{prompts_dir(home)}/i.md:1: the frontmatter is never closed: no second line is `---`",
    ]


def test_a_folder_that_cannot_be_listed_is_a_problem(repo: Path, home: Path) -> None:
    file = write(repo / "file", "")
    assert [str(problem) for problem in discover_prompts(repo, file, home).problems] == [
        f"{file}: cannot be listed: Not a directory"
    ]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [(None, None), ("mine", "repo/mine"), ("~/mine", "home/mine"), ("~", "home"), ("/mine", "/mine")],
)
def test_the_configured_folder_starts_at_the_repository_or_at_home(
    tmp_path: Path, repo: Path, home: Path, setting: str | None, expected: str | None
) -> None:
    config = Config(grind=GrindSettings(prompts_dir=setting))
    assert configured_prompts_dir(repo, config, home) == (None if expected is None else tmp_path / expected)


def library_of(*names: str, folder: Path) -> Library:
    for name in names:
        write_prompt(folder, name)
    return discover_prompts(folder, folder, folder)


@pytest.mark.parametrize("name", [None, "default"])
def test_without_a_rotation_file_all_prompts_take_part(repo: Path, tmp_path: Path, name: str | None) -> None:
    library = library_of("alpha", "bravo", folder=tmp_path / "p")
    assert load_rotation(repo, name, library) == Rotation(
        name="default", entries=(Entry(name="alpha"), Entry(name="bravo"))
    )


def test_a_rotation_is_read_from_the_file_of_its_name(repo: Path, tmp_path: Path) -> None:
    library = library_of("alpha", "bravo", folder=tmp_path / "p")
    for name in ("nightly", "default"):
        write(rotations_dir(repo) / f"{name}.toml", 'prompts = [{name = "bravo"}]')
        assert load_rotation(repo, name, library) == Rotation(name=name, entries=(Entry(name="bravo"),))
    assert load_rotation(repo, None, library).prompt_names == ("alpha", "bravo")


def test_a_missing_rotation_lists_those_there_are(repo: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_rotation(repo, "nightly", Library())
    assert complaints(caught) == [
        f"{rotations_dir(repo)}: no rotation is named 'nightly' (there are no rotations)"
    ]
    for name in ("nightlies", "weekly"):
        write(rotations_dir(repo) / f"{name}.toml", "")
    with pytest.raises(InputError) as caught:
        load_rotation(repo, "nightly", Library())
    suggested = (
        "no rotation is named 'nightly'; did you mean 'nightlies'? (existing rotations: nightlies, weekly)"
    )
    assert complaints(caught) == [f"{rotations_dir(repo)}: {suggested}"]


@pytest.mark.parametrize("name", ["../nightly", "a/b", ""])
def test_a_rotation_is_never_looked_for_outside_its_folder(repo: Path, name: str) -> None:
    write(rotations_dir(repo) / "a" / "b.toml", 'prompts = [{name = "alpha"}]')
    write(rotations_dir(repo).parent / "nightly.toml", 'prompts = [{name = "alpha"}]')
    with pytest.raises(InputError, match="no rotation is named"):
        load_rotation(repo, name, Library())


def test_everything_a_run_needs_is_loaded_as_the_config_says(repo: Path, home: Path) -> None:
    write(config_path(repo), '[grind]\nprompts_dir = "mine"\ndefault_rotation = "nightly"\n')
    write(rotations_dir(repo) / "nightly.toml", 'prompts = [{name = "alpha"}, {name = "bravo"}]')
    write(rotations_dir(repo) / "weekly.toml", 'prompts = [{name = "charlie"}]')
    write_prompt(repo / "mine", "alpha")
    write_prompt(repo / "mine", "bravo", more="tags: [night]\n")
    write_prompt(prompts_dir(repo), "charlie")
    inputs = load_inputs(repo, home=home)
    assert inputs.config.grind.default_rotation == "nightly"
    assert list(inputs.library.prompts) == ["alpha", "bravo"]
    assert inputs.rotation.prompt_names == ("alpha", "bravo")
    assert load_inputs(repo, home=home, choice=Selection(tags=("night",))).rotation.prompt_names == ("bravo",)
    elsewhere = Selection(prompts_dir=str(prompts_dir(repo)))
    asked = load_inputs(repo, home=home, choice=elsewhere, rotation="weekly")
    assert asked.rotation.prompt_names == ("charlie",)
    with pytest.raises(StartError, match="is tagged 'day'"):
        load_inputs(repo, home=home, choice=Selection(tags=("day",)))


def test_prompts_chosen_by_name_must_take_part_unless_the_choice_is_an_old_one(
    repo: Path, home: Path
) -> None:
    for name in ("alpha", "bravo"):
        write_prompt(prompts_dir(repo), name)
    gone = Selection(names=("bravo", "zulu"))
    with pytest.raises(StartError, match="no prompt is named 'zulu'"):
        load_inputs(repo, home=home, choice=gone)
    assert load_inputs(repo, home=home, choice=gone, kept={}).rotation.prompt_names == ("bravo",)
    none_left = load_inputs(repo, home=home, choice=Selection(names=("zulu",)), kept={})
    assert none_left.rotation.prompt_names == ()


def test_what_a_run_holds_on_to_stands_in_for_a_file_that_is_no_prompt(repo: Path, home: Path) -> None:
    paths = RunPaths(repo, "20261122T181937Z-d843")
    alpha, bravo = (write_prompt(prompts_dir(repo), name) for name in ("alpha", "bravo"))
    good = discover_prompts(repo, None, home).prompts
    for doc in good.values():
        keep_prompt(paths, doc)
    (paths.kept_prompts / "torn.json").write_text("{")
    write(alpha, "no front matter")
    kept = kept_prompts(paths)
    assert kept == {str(alpha): good["alpha"], str(bravo): good["bravo"]}
    inputs = load_inputs(repo, home=home, kept=kept)
    assert inputs.library.prompts == good
    assert inputs.warnings == (
        f"{alpha}:1: no frontmatter: the first line must be `---`; the run goes on with the text that it had",
    )
    write(prompts_dir(repo) / "charlie.md", "no front matter either")
    with pytest.raises(InputError, match=r"charlie\.md:1"):
        load_inputs(repo, home=home, kept=kept)
    assert kept_prompts(RunPaths(repo, "another")) == {}
    drop_kept(paths, {"alpha": good["alpha"], "bravo": good["alpha"]})
    assert kept_prompts(paths) == {str(alpha): good["alpha"]}


def test_problems_of_config_prompts_and_rotation_are_reported_together(repo: Path, home: Path) -> None:
    config = write(config_path(repo), "[grind]\nmax_parallel = 0\n")
    prompt = write_prompt(prompts_dir(repo), "alpha", more="weight: 0\n")
    rotation = write(rotations_dir(repo) / "nightly.toml", 'max_parallel = 0\nprompts = [{name = "alpha"}]\n')
    with pytest.raises(InputError) as caught:
        load_inputs(repo, home=home, rotation="nightly")
    assert complaints(caught) == [
        f"{config}:2: grind.max_parallel: must be a whole number >= 1, not 0",
        f"{prompt}:4: weight: must be a whole number >= 1, not 0",
        f"{rotation}:1: max_parallel: must be a whole number >= 1, not 0",
    ]
    with pytest.raises(InputError) as caught:
        load_inputs(repo, home=home)
    assert len(caught.value.problems) == 2


def test_a_rotation_that_names_an_unknown_prompt_is_an_error(repo: Path, home: Path) -> None:
    write_prompt(prompts_dir(repo), "alpha")
    rotation = write(rotations_dir(repo) / "nightly.toml", 'prompts = [{name = "alhpa"}]')
    with pytest.raises(InputError) as caught:
        load_inputs(repo, home=home, rotation="nightly")
    assert complaints(caught) == [
        f"{rotation}:1: prompts[0].name: no prompt is named 'alhpa'; did you mean 'alpha'?"
    ]


def test_a_prompt_that_takes_part_must_not_be_the_template(repo: Path, home: Path) -> None:
    alpha = write(prompts_dir(repo) / "alpha.md", new_prompt("alpha"))
    write_prompt(prompts_dir(repo), "beta", more="tags: [ready]\n")
    with pytest.raises(InputError) as caught:
        load_inputs(repo, home=home)
    (problem,) = complaints(caught)
    assert problem.startswith(f"{alpha}: body: is still the template's text")
    assert load_inputs(repo, home=home, choice=Selection(tags=("ready",))).rotation.prompt_names == ("beta",)
