"""Queued tasks: what their files may leave out (SPEC 10)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pitboss.core.prompt import PromptMeta, PromptSource
from pitboss.core.queued_task import parse_queued_task, queued_task_text
from pitboss.errors import InputError


def meta(text: str) -> dict[str, Any]:
    """The settings of a task, without defaults."""
    found = msgspec.structs.asdict(parse_queued_task(text, path="a.md").meta)
    defaults = msgspec.structs.asdict(PromptMeta(name="", description=""))
    return {key: value for key, value in found.items() if value != defaults[key]}


@pytest.mark.parametrize(
    ("text", "name", "description"),
    [
        ("Fix it.", "fix-it", "Fix it."),
        ("\n\n# Fix the `login`!\n\nIt fails.\n", "fix-the-login", "Fix the `login`!"),
        ("日本語", "task", "日本語"),
        ("```sh\necho one\n```\n", "echo-one", "echo one"),
        ("#", "task", "task"),
        ("x" * 300, "x" * 40, "x" * 199 + "…"),
        (
            "Mend what breaks when the name of a user has no letters",
            "mend-what-breaks-when-the-name-of-a-user",
            None,
        ),
        ("---\nverify: true\n---\nFix it.", "fix-it", "Fix it."),
        ("---\ndescription: Mend the door\n---\nFix it.", "mend-the-door", "Mend the door"),
        ("---\nname: door\n---\nFix it.", "door", "Fix it."),
        ("--- a diff, not a fence\n", "a-diff-not-a-fence", "--- a diff, not a fence"),
    ],
)
def test_what_is_missing_is_made_up(text: str, name: str, description: str | None) -> None:
    found = meta(text)
    assert (found["name"], found["description"]) == (name, description or text)


def test_a_task_is_a_prompt_with_its_text_verbatim() -> None:
    doc = parse_queued_task(
        "---\nname: door\ndescription: d\nmodel: small\n---\n\n  Fix\r\n it\n", path="q/1.md"
    )
    assert doc.body == "\n  Fix\n it\n"
    assert (doc.source_path, doc.source_kind) == ("q/1.md", PromptSource.QUEUE)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("  \n", ["a.md: has no text to give to an agent"]),
        ("---\nname: door\n---\n \n", ["a.md: has no text to give to an agent"]),
        ("---\nname: door\n", ["a.md:1: the frontmatter is never closed: no second line is `---`"]),
        (
            "---\nverify: 1\nnmae: x\n---\nFix it.",
            [
                "a.md:2: verify: must be true or false, not 1",
                "a.md:3: nmae: unknown key; did you mean 'name'?",
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_as_for_a_prompt(text: str, problems: list[str]) -> None:
    for use in (
        lambda: parse_queued_task(text, path="a.md"),
        lambda: queued_task_text(text, path="a.md", given={}),
    ):
        with pytest.raises(InputError) as refused:
            use()
        assert [str(problem) for problem in refused.value.problems] == problems


def test_settings_that_are_given_replace_those_of_the_file() -> None:
    text = "---\nmodel: small\ntags: [a, b]\nmax_runs: null\n---\nFix: it\n"
    made = queued_task_text(text, path="a.md", given={"model": 'la"rge', "parallel_safe": True})
    assert made == (
        '---\nname: fix-it\ndescription: "Fix: it"\nmodel: "la\\"rge"\ntags: ["a", "b"]\nmax_runs: null\n'
        "parallel_safe: true\n---\nFix: it\n"
    )
    assert meta(made) == {
        "name": "fix-it",
        "description": "Fix: it",
        "model": 'la"rge',
        "tags": ("a", "b"),
        "parallel_safe": True,
    }


@given(body=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1))
@example(body="---\nname: x\n---\ny")
def test_whatever_text_is_queued_is_read_back(body: str) -> None:
    assume(body.strip())
    text = queued_task_text(body, path="TEXT", given={"verify": True}, plain=True)
    assert parse_queued_task(text, path="a.md").body == body
