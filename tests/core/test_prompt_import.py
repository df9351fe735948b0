"""What becomes of commands, skills, subagents and plain text that are made prompts (SPEC 8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.fields import Wrong
from pitboss.core.foreign_keys import STAND_INS
from pitboss.core.prompt import PromptDoc, PromptSource, parse_prompt
from pitboss.core.prompt_import import Imported, import_prompt
from pitboss.errors import InputError

COMMAND = """---
description: Fix an issue
allowed-tools: Bash(git:*), Read
argument-hint: [--a] [--b]
model: opus
---

Fix issue $ARGUMENTS.
"""
SUBAGENT = """---
name: Test Runner
description: Use this when: tests fail. Examples:\\n<example>user: "x"</example>
tools: Read, Grep
model: inherit
color: red
---
Run the tests.
"""


def imported(text: str, *, name: str | None = None, stem: str = "a-file") -> Imported:
    return import_prompt(text, file="a.md", name=name, stem=stem)


def read(made: Imported) -> PromptDoc:
    return parse_prompt(made.text, path="new.md", source=PromptSource.PROJECT)


def left_behind(made: Imported) -> list[str]:
    """The keys that were dropped."""
    return [note.split("`")[1] for note in made.notes if note.startswith("dropped")]


def test_of_a_command_text_description_and_model_are_taken_and_the_rest_is_told() -> None:
    made = imported(COMMAND, name="fix")
    meta = read(made).meta
    assert (meta.name, meta.description, meta.model) == ("fix", "Fix an issue", "opus")
    assert read(made).body == "Fix issue $ARGUMENTS.\n"
    assert left_behind(made) == ["allowed-tools", "argument-hint"]
    assert made.notes[0] == f"dropped `allowed-tools`: {STAND_INS['allowed-tools']}"
    assert made.notes[2].startswith('line 1 of the text: "$ARGUMENTS": prompts take no arguments')


def test_frontmatter_that_is_not_valid_yaml_is_read_line_by_line() -> None:
    meta = read(made := imported(SUBAGENT)).meta
    assert meta.name == "test-runner"
    assert meta.description == 'Use this when: tests fail. Examples: <example>user: "x"</example>'
    assert left_behind(made) == ["tools", "model", "color"]


@pytest.mark.parametrize(
    ("front", "description"),
    [
        ("description: >-\n  Looks at\n  things", "Looks at things"),
        ("stray\ndescription: |\n  Looks\n  at: it: all\nhint: [a] b", "Looks at: it: all"),
        ("description: 'quoted: \"it\"' \nhint: [a] b", 'quoted: "it"'),
        ("hint: [a] b", "Do it, and well"),
        ("description:\nhint: [a] b", "Do it, and well"),
        ("description: 3", "Do it, and well"),
        ("# nothing", "Do it, and well"),
        (": [", "Do it, and well"),
    ],
)
def test_the_description_is_one_line_else_the_first_line_of_the_text(front: str, description: str) -> None:
    assert (
        read(imported(f"---\n{front}\n---\n\n## Do it, and well\n\nNow.\n")).meta.description == description
    )


def test_a_text_without_frontmatter_is_all_text_and_called_as_its_file() -> None:
    made = imported("# Do the thing\r\n\r\nplease\r\n", stem="My_Prompt v2")
    assert read(made).meta.description == "Do the thing"
    assert (made.name, read(made).body) == ("my_prompt-v2", "# Do the thing\n\nplease\n")
    assert read(imported("#\n")).meta.description == "Imported"


def test_settings_of_prompts_are_kept_where_they_are_right() -> None:
    text = (
        "---\nname: b\ndescription: d\nweight: 3\ntags: [x]\nverify: maybe\nagent: Explore\nfoo: 1\n---\nDo\n"
    )
    meta = read(made := imported(text)).meta
    assert (meta.weight, meta.tags, meta.verify, meta.agent) == (3, ("x",), False, None)
    assert left_behind(made) == ["verify", "agent", "foo"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Fix $1 and $2", '"$1": prompts take no arguments'),
        ("Do {{args}}", '"{{args}}": prompts take no arguments'),
        ("Status: !`git status`", '"!`git status`": its output is not inserted'),
        ("Read @docs/x.md", '"@docs/x.md": the file is not inserted'),
        ("Read @README.md", '"@README.md": the file is not inserted'),
        ("Run ${CLAUDE_SKILL_DIR}/x", '"${CLAUDE_SKILL_DIR}": the variable is not set'),
        ("Ask me@example.com or @team, it costs $100, `@dataclass`", None),
    ],
)
def test_what_would_have_been_replaced_in_the_text_is_told(line: str, found: str | None) -> None:
    notes = imported(f"First.\n{line}\n").notes
    assert [note.startswith(f"line 2 of the text: {found}") for note in notes] == [True] * bool(found)


def test_lines_are_counted_and_not_all_of_them_named() -> None:
    (note,) = imported("$ARGUMENTS\n" * 7).notes
    assert note.startswith("lines 1, 2, 3, 4, 5, ... of the text: ")


def test_no_text_and_no_name_are_errors() -> None:
    with pytest.raises(InputError, match="has no text to give to an agent"):
        imported("---\nname: a\n---\n \n")
    for name, stem in (("Bad Name", "x"), (None, "???")):
        with pytest.raises(Wrong):
            imported("Do it.\n", name=name, stem=stem)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t0\\\x1b$")), st.text(min_size=1))
def test_whatever_is_imported_is_a_valid_prompt(front: str, body: str) -> None:
    try:
        made = imported(f"---\n{front}\n---\n{body}")
    except (InputError, Wrong):
        return
    assert read(made).meta.name == made.name
