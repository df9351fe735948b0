"""Prompt files as SPEC 2 describes them: every key, every mistake, and what hostile files do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.fields import MAX_COUNT
from pitboss.core.prompt import PromptDoc, PromptMeta, PromptSource, parse_prompt
from pitboss.core.prompt_template import new_prompt, unedited
from pitboss.core.slash_commands import slash_command, unexpanded
from pitboss.errors import InputError

HEAD = "name: alpha\ndescription: Does things\n"


def parse(text: str) -> PromptDoc:
    return parse_prompt(text, path="a.md", source=PromptSource.PROJECT)


def meta(frontmatter: str) -> PromptMeta:
    return parse(f"---\n{frontmatter}---\n").meta


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def outcome(text: str) -> list[str]:
    """The problems of `text`, none if it is a prompt."""
    try:
        parse(text)
    except InputError as error:
        return [str(problem) for problem in error.problems]
    return []


def field_problems(line: str) -> list[str]:
    """What is wrong with a prompt whose fourth line is `line`."""
    return problems(f"---\n{HEAD}{line}\n---\nbody\n")


def test_every_key_of_the_contract_is_read() -> None:
    text = """---
name: alpha-1_b
description: "Does: things"
weight: 3
every: 2
max_runs: 0
verify: true
parallel_safe: true
tags: [night, 'long one']
max_session_seconds: 600
max_session_cost_usd: 1
agent: command
model: some/model:free
---
Do it.
"""
    assert parse(text) == PromptDoc(
        meta=PromptMeta(
            name="alpha-1_b",
            description="Does: things",
            weight=3,
            every=2,
            max_runs=0,
            verify=True,
            parallel_safe=True,
            tags=("night", "long one"),
            max_session_seconds=600,
            max_session_cost_usd=1.0,
            agent="command",
            model="some/model:free",
        ),
        body="Do it.\n",
        source_path="a.md",
        source_kind=PromptSource.PROJECT,
    )


def test_a_name_and_a_description_are_enough() -> None:
    assert meta(HEAD) == PromptMeta(name="alpha", description="Does things")


@pytest.mark.parametrize("key", ["max_runs", "max_session_seconds", "max_session_cost_usd", "agent", "model"])
def test_null_means_none_where_none_is_the_default(key: str) -> None:
    assert meta(f"{HEAD}{key}: null\n") == meta(HEAD)


@pytest.mark.parametrize("key", ["weight", "every", "verify", "parallel_safe", "tags"])
def test_null_is_an_error_where_the_default_is_something(key: str) -> None:
    (problem,) = field_problems(f"{key}:")
    assert problem.startswith(f"a.md:4: {key}: must be ")
    assert problem.endswith(", not null")


def test_the_body_is_kept_to_the_letter_with_its_own_fences_and_blank_ends() -> None:
    body = "\n  one\n---\nname: not frontmatter\n---\n\ttwo \r three\n\n\n"
    assert parse(f"---\n{HEAD}---\n{body}").body == body


def test_windows_line_endings_read_as_plain_ones() -> None:
    unix = f"---\n{HEAD}weight: 2\n---\none\n\ntwo\n"
    assert parse(unix.replace("\n", "\r\n")) == parse(unix)


@pytest.mark.parametrize("end", ["---", "---\n", "--- \t\n"])
def test_a_prompt_may_end_with_its_closing_fence(end: str) -> None:
    assert parse(f"---\n{HEAD}{end}").body == ""


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("'7'", "7"),
    ],
)
def test_words_that_old_yaml_takes_for_something_else_are_text(word: str, value: str) -> None:
    assert meta(f"{HEAD}model: {word}\ntags:\n- {word}\n") == PromptMeta(
        name="alpha", description="Does things", model=value, tags=(value,)
    )


@pytest.mark.parametrize(
    ("number", "value"),
    [("7", 7), ("+7", 7), ("007", 7), ("0x1F", 31), ("0o17", 15), (str(MAX_COUNT), MAX_COUNT)],
)
def test_whole_numbers_are_those_of_yaml_1_2(number: str, value: int) -> None:
    assert meta(f"{HEAD}weight: {number}\n").weight == value


@pytest.mark.parametrize(
    ("number", "value"), [("0", 0.0), ("2", 2.0), (".5", 0.5), ("1.", 1.0), ("1e-2", 0.01)]
)
def test_a_cost_may_be_any_amount_not_below_zero(number: str, value: float) -> None:
    assert meta(f"{HEAD}max_session_cost_usd: {number}\n").max_session_cost_usd == value


@pytest.mark.parametrize("style", [">", ">-", ">+", "|", "|-", "|+", "|2"])
def test_a_description_in_a_block_is_folded_to_one_line(style: str) -> None:
    assert meta(f"name: a\ndescription: {style}\n  one\n\n  line\n").description == "one line"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("weight: 0", "weight: must be a whole number >= 1, not 0"),
        ("weight: true", "weight: must be a whole number >= 1, not true"),
        ("weight: 1.0", "weight: must be a whole number >= 1, not 1.0"),
        ("weight: '1'", "weight: must be a whole number >= 1, not '1'"),
        ("weight: [1]", "weight: must be a whole number >= 1, not a list"),
        ("weight: {a: 1}", "weight: must be a whole number >= 1, not a table"),
        (f"weight: {MAX_COUNT + 1}", "weight: must be at most 4294967295"),
        ("weight: " + "9" * 5000, "weight: must be a whole number >= 1, not inf"),
        ("every: 0", "every: must be a whole number >= 1, not 0"),
        ("max_runs: -1", "max_runs: must be a whole number >= 0, not -1"),
        ("max_session_seconds: 0", "max_session_seconds: must be a whole number >= 1, not 0"),
        ("max_session_cost_usd: -0.5", "max_session_cost_usd: must be a number >= 0, not -0.5"),
        ("max_session_cost_usd: .nan", "max_session_cost_usd: must be a number >= 0, not nan"),
        ("max_session_cost_usd: .inf", "max_session_cost_usd: must be a number >= 0, not inf"),
        ("max_session_cost_usd: 1e999", "max_session_cost_usd: must be a number >= 0, not inf"),
        ("max_session_cost_usd: false", "max_session_cost_usd: must be a number >= 0, not false"),
        ("verify: yes", "verify: must be true or false, not 'yes'"),
        ("verify: 1", "verify: must be true or false, not 1"),
        (f"verify: 0x{'f' * 5000}", "verify: must be true or false, not a number with so many digits"),
        ("tags: night", "tags: must be a list of strings, not 'night'"),
        ("tags: [night, 1]", "tags: item 2 must be a string, not 1"),
        ("tags: ['']", "tags: item 1 must not be empty"),
        ("model: 4", "model: must be a string, not 4"),
        ("model: ' '", "model: must not be empty"),
        ('agent: "a\\e[31m"', "agent: must be one line of text without control characters, not 'a\\x1b[31m'"),
        ('agent: "a\\0"', "agent: must be a string, not 'a\\x00'"),
        ("wieght: 1", "wieght: unknown key; did you mean 'weight'?"),
        ("<<: {weight: 2}", "'<<': unknown key"),
        ("1: one", "1: unknown key"),
        ("k" * 60 + ": 1", f"'{'k' * 39}...: unknown key"),
        ("name: beta", "name: duplicate key, first given on line 2"),
        (
            "model: " + "x" * 50 + "\\\tb",
            f"model: must be one line of text without control characters, not '{'x' * 39}...",
        ),
    ],
)
def test_a_wrong_field_is_one_error_with_its_line_and_reason(line: str, reason: str) -> None:
    assert field_problems(line) == [f"a.md:4: {reason}"]


@pytest.mark.parametrize("name", ["Alpha", "-a", "_a", "a b", "a/b", "../a", "ä", "a.b", '"a\\n"'])
def test_a_bad_name_is_refused(name: str) -> None:
    (problem,) = problems(f"---\nname: {name}\ndescription: d\n---\n")
    assert problem.startswith(
        "a.md:2: name: must be of a-z, 0-9, `-` and `_`, and begin with a letter or digit, not "
    )


def test_a_description_with_control_characters_is_refused() -> None:
    assert problems('---\nname: a\ndescription: "one\\e[31m"\n---\n') == [
        "a.md:3: description: must be one line of text without control characters, not 'one\\x1b[31m'"
    ]


def test_all_problems_of_a_file_are_reported_at_once_in_the_order_of_their_lines() -> None:
    assert problems("---\nweight: 0\nname: A\nmodle: x\nweight: none\n---\n") == [
        "a.md: description: is required",
        "a.md:3: name: must be of a-z, 0-9, `-` and `_`, and begin with a letter or digit, not 'A'",
        "a.md:4: modle: unknown key; did you mean 'model'?",
        "a.md:5: weight: duplicate key, first given on line 2",
        "a.md:5: weight: must be a whole number >= 1, not 'none'",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a.md:1: no frontmatter: the first line must be `---`"),
        ("\n---\nname: a\n---\n", "a.md:1: no frontmatter: the first line must be `---`"),
        ("----\nname: a\n----\n", "a.md:1: no frontmatter: the first line must be `---`"),
        ("---", "a.md:1: the frontmatter is never closed: no second line is `---`"),
        ("---\nname: a\n", "a.md:1: the frontmatter is never closed: no second line is `---`"),
        ("---\nname: a\n ---\n", "a.md:1: the frontmatter is never closed: no second line is `---`"),
        ("---\n---\nbody", "a.md:1: the frontmatter is empty; name and description are required"),
        ("---\n# only words\n---\n", "a.md:1: the frontmatter is empty; name and description are required"),
        (
            "---\n- name: a\n---\n",
            "a.md:1: the frontmatter must be lines of `key: value`, not a list; name and description are required",
        ),
        (
            "---\nwords\n---\n",
            "a.md:1: the frontmatter must be lines of `key: value`, not 'words'; name and description are required",
        ),
    ],
)
def test_a_file_without_proper_frontmatter_is_one_error(text: str, reason: str) -> None:
    assert problems(text) == [reason]


ALIASES = "YAML anchors and aliases (`&`, `*`) are not allowed; quote plain text"
TAGS = "YAML tags (`!`) are not allowed; quote plain text"
BOMB = "tags: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (BOMB, f":4: {ALIASES}"),
        ("model: *unknown", f":4: {ALIASES}"),
        ("&k model: x", f":4: {ALIASES}"),
        ("model: !!python/object/apply:os.system [ls]", f":4: {TAGS}"),
        ("weight: !!int '3'", f":4: {TAGS}"),
        ("model: ! x", f":4: {TAGS}"),
        ("tags:\n  - !x y", f":5: {TAGS}"),
        ("tags: " + "[" * 20_000, ":4: the frontmatter is nested too deeply"),
        ("tags: " + "{a: " * 5_000, ":4: the frontmatter is nested too deeply"),
        ("tags:\n" + "- " * 20_000, ":5: the frontmatter is nested too deeply"),
        ("- tags", ":4: not valid YAML: did not find expected key (while parsing a block mapping)"),
        ("? [a]\n: b", ":4: a key must be plain text, not a list or a mapping"),
        ("\tweight: 1", ":4: not valid YAML: indent with spaces, not tabs (while scanning a plain scalar)"),
        ("model: a: b", ':4: not valid YAML: a value that contains ": " needs quotes'),
        ("model: 'x\n#\n#", ":4: not valid YAML: a quote is never closed (while scanning a quoted scalar)"),
        ("model: \x07", ": the frontmatter contains control characters"),
        ("...\nweight: 1", ":5: not valid YAML: did not find expected <document start>"),
        ("#\n" * 40_000, ":1: the frontmatter is longer than 64 KiB"),
        ("model: " + "x" * 70_000, ":1: the frontmatter is longer than 64 KiB"),
    ],
)
def test_hostile_yaml_is_one_clear_error_and_returns_at_once(lines: str, reason: str) -> None:
    assert field_problems(lines) == [f"a.md{reason}"]


@pytest.mark.parametrize(
    ("line", "quoted"),
    [
        ("argument-hint: [--a] [--b]", "argument-hint: '[--a] [--b]'"),
        ("argument-hint: [a] | it's  ", "argument-hint: '[a] | it''s'"),
        ('model: "x" y', """model: '"x" y'"""),
        ("tags: {a: 1} b", "tags: '{a: 1} b'"),
    ],
)
def test_a_value_that_goes_on_after_what_ends_it_is_shown_with_the_quotes_it_needs(
    line: str, quoted: str
) -> None:
    (problem,) = field_problems(line)
    assert problem.startswith(f"a.md:4: not valid YAML: quote it, as in `{quoted}`")
    assert ("prompts take no arguments" in problem) == line.startswith("argument-hint")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "allowed-tools: Bash(git:*), Read",
            "is a key of Claude Code commands, not of prompts: `[agent.claude_code]",
        ),
        ("color: red", "is a key of Claude Code subagents, not of prompts: it changes nothing"),
        ("globs: '*.py'", "is a key of editors' rule files, not of prompts: say in the text"),
    ],
)
def test_a_key_of_another_programs_files_is_an_error_that_says_what_stands_in_for_it(
    line: str, words: str
) -> None:
    (problem,) = field_problems(line)
    key = line.partition(":")[0]
    assert problem.startswith(f"a.md:4: {key}: `{key}` {words}")
    assert problem.endswith("; `pitboss prompts new NAME --from FILE` turns such a file into a prompt")


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("/review\n", "/review"),
        ("\n \n\t/code-review --fix\nthen more", "/code-review"),
        ("/plugin:do it", "/plugin:do"),
        ("/prompts:draft", "/prompts:draft"),
        ("/home/me/x is full", None),
        ("/tmp is full", None),
        ("/etc", None),
        ("// a comment", None),
        ("/", None),
        ("/* a comment */", None),
        ("/2 of them", None),
        ("/index.html is missing", None),
        ("Use /review", None),
        ("# Title\n/review", None),
        ("", None),
    ],
)
def test_a_slash_command_is_one_only_at_the_beginning_and_no_path(body: str, command: str | None) -> None:
    prompt = parse(f"---\n{HEAD}---\n{body}")
    told = unexpanded(prompt)
    assert slash_command(prompt.body) == command
    assert (told is None) == (command is None)
    if told:
        assert f"a.md: body: begins with the slash command {command}, which will not be expanded" in str(told)


def test_the_shell_agent_knows_no_slash_commands() -> None:
    assert unexpanded(parse(f"---\n{HEAD}agent: shell\n---\n/review\n")) is None


def test_a_new_prompt_is_valid_and_known_as_unedited_whatever_its_settings_say() -> None:
    fresh = new_prompt("beta")
    assert parse(fresh).meta.name == "beta"
    for text in (fresh, fresh.replace("#weight: 1 ", "weight: 3 "), fresh.replace("\n", "\r\n") + "\n\n"):
        problem = unedited(parse(text))
        assert problem is not None
        assert str(problem).startswith("a.md: body: is still the template's text: write what to do")
    assert unedited(parse(fresh + "Begin with src/.\n")) is None


def test_a_huge_body_is_no_problem() -> None:
    body = "\n" * 500_000 + "---\n" * 50_000
    assert parse(f"---\n{HEAD}---\n{body}").body == body


@given(st.text())
def test_any_text_is_a_prompt_or_an_error_about_that_file(text: str) -> None:
    assert all(line.startswith("a.md:") for line in outcome(text))


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t0\\")))
def test_any_frontmatter_is_read_or_refused_without_a_crash(frontmatter: str) -> None:
    assert all("\n" not in line for line in outcome(f"---\n{HEAD}{frontmatter}\n---\nbody"))


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1).filter(
    str.strip
)


@given(
    name=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True),
    description=words,
    weight=st.integers(1, MAX_COUNT),
    tags=st.lists(words),
    cost=st.none() | st.floats(0, 1e9),
    body=st.text(st.characters(codec="utf-8", exclude_characters="\r")),
)
def test_what_is_written_as_json_values_is_read_back(
    name: str, description: str, weight: int, tags: list[str], cost: float | None, body: str
) -> None:
    values = {
        "name": name,
        "description": description,
        "weight": weight,
        "tags": tags,
        "max_session_cost_usd": cost,
    }
    frontmatter = "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()
    )
    doc = parse(f"---\n{frontmatter}---\n{body}")
    assert doc.body == body
    assert doc.meta == PromptMeta(
        name=name,
        description=description.strip(),
        weight=weight,
        tags=tuple(tag.strip() for tag in tags),
        max_session_cost_usd=cost,
    )
