"""A task as text and back: `grind -p`, `--prompt-file` (SPEC 10)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.prompt import PromptMeta, PromptSource
from pitboss.core.rotation import contenders
from pitboss.core.task import TASK, parse_task, plain_task, task_rotation, task_text
from pitboss.errors import InputError

FILE = """---
name: alpha
weight: 7
every: 3
max_runs: 9
verify: true
agent: codex
tags: [night, "a: b"]
max_session_cost_usd: 1.5
---
Do it.

---
And this.
"""


def test_plain_text_is_all_body_even_if_it_looks_like_a_prompt() -> None:
    task = plain_task("---\nname: alpha\n---\r\n# Fix it", "-p")
    assert task.body == "---\nname: alpha\n---\n# Fix it\n"
    assert (task.meta, task.source_path, task.source_kind) == (
        PromptMeta(name=TASK, description="---"),
        "-p",
        PromptSource.TASK,
    )


@pytest.mark.parametrize(
    ("text", "description"),
    [("# Fix *it*\nnow", "Fix *it*"), ("###", "task"), ("word " * 50, "word " * 39 + "word…")],
)
def test_a_task_is_described_by_its_first_line(text: str, description: str) -> None:
    assert parse_task(text, "f").meta.description == description


def test_a_prompt_file_keeps_its_settings_but_neither_its_name_nor_its_turns() -> None:
    task = parse_task(FILE, "f.md")
    assert task.body == "Do it.\n\n---\nAnd this.\n"
    assert (task.meta.name, task.meta.description, task.meta.agent) == ("task", "Do it.", "codex")
    (taker,) = contenders(task_rotation(2), {TASK: task})
    assert (taker.weight, taker.every, taker.max_runs) == (1, 1, 2)
    assert parse_task(FILE.replace("verify", "description: mine\nverify"), "f").meta.description == "mine"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f: has no text to give to an agent"),
        (" \n\t\n", "f: has no text to give to an agent"),
        ("---\nverify: true\n---\n\n", "f: has no text to give to an agent"),
        ("lone \udcff byte", "f: is not UTF-8 text"),
        ("---\nverify: maybe\n---\nx", "f:2: verify: must be true or false, not 'maybe'"),
        ("---\nverify: true\nx", "f:1: the frontmatter is never closed: no second line is `---`"),
        ("---\nwieght: 1\n---\nx", "f:2: wieght: unknown key; did you mean 'weight'?"),
    ],
)
def test_what_cannot_be_a_task(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_task(text, "f")
    assert str(caught.value) == problem


METAS = st.builds(
    PromptMeta,
    name=st.just(TASK),
    description=st.sampled_from(["one: line", 'quo"ted', "- dash", "é"]),
    verify=st.booleans(),
    parallel_safe=st.booleans(),
    tags=st.lists(st.sampled_from(["a", "b-c", "x: y"]), unique=True).map(tuple),
    max_session_seconds=st.none() | st.integers(1, 9999),
    max_session_cost_usd=st.none() | st.floats(0, 100, allow_nan=False).map(lambda usd: round(usd, 4)),
    agent=st.none() | st.sampled_from(["codex", "yes", "12:30"]),
    model=st.none() | st.just("a/b:c"),
)


@given(METAS, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1))
def test_what_is_kept_reads_back_as_the_same_task(meta: PromptMeta, text: str) -> None:
    task = msgspec.structs.replace(plain_task("x" + text, "f"), meta=meta)
    assert parse_task(task_text(task), "f") == task
