"""Rotation files as SPEC 2 describes them, and the choice by tags."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import Caps
from pitboss.core.config import HookSettings
from pitboss.core.rotation import (
    Entry,
    Rotation,
    default_rotation,
    parse_rotation,
    select_by_names,
    select_by_tags,
)
from pitboss.errors import InputError, StartError
from tests.support.values import prompt

KNOWN = ("alpha", "bravo")


def parse(text: str, *, known: tuple[str, ...] | None = KNOWN) -> Rotation:
    return parse_rotation(text, name="nightly", path="nightly.toml", known=known)


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def test_every_key_of_the_contract_is_read() -> None:
    text = """
max_parallel = 4
prompts = [
    { name = "bravo", weight_override = 2, every_override = 3, max_runs_override = 4 },
    { name = "alpha" },
]

[hooks]
pre_session = "make"
post_session = ""
on_failure = '''
echo one
echo two'''

[budgets]
max_iterations = 0
until = 2030-01-31T08:00:00+02:00
max_cost_usd = 3
max_tokens = 9_000_000_000
"""
    assert parse(text) == Rotation(
        name="nightly",
        entries=(
            Entry(name="bravo", weight_override=2, every_override=3, max_runs_override=4),
            Entry(name="alpha"),
        ),
        max_parallel=4,
        hooks=HookSettings(pre_session="make", post_session="", on_failure="echo one\necho two"),
        budgets=Caps(
            max_iterations=0,
            until=datetime(2030, 1, 31, 6, tzinfo=UTC),
            max_cost_usd=3.0,
            max_tokens=9_000_000_000,
        ),
    )


def test_prompts_alone_make_a_rotation_in_either_spelling() -> None:
    expected = Rotation(name="nightly", entries=(Entry(name="alpha"), Entry(name="bravo")))
    assert parse('prompts = [{name = "alpha"}, {name = "bravo"}]') == expected
    assert parse('[[prompts]]\nname = "alpha"\n[[prompts]]\nname = "bravo"\n') == expected


@pytest.mark.parametrize(
    "time",
    [
        '"2030-01-31T06:00:00Z"',
        '"2030-01-31T06:00:00.000000000Z"',
        "2030-01-31 06:00:00Z",
        "2030-01-31T07:00:00+01:00",
    ],
)
def test_until_is_a_time_as_text_or_in_tomls_own_type(time: str) -> None:
    rotation = parse(f'prompts = [{{name = "alpha"}}]\nbudgets.until = {time}\n')
    assert rotation.budgets == Caps(until=datetime(2030, 1, 31, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('name = "nightly"', "name: a rotation is named after its file; remove this key"),
        ("max_parallel = 0", "max_parallel: must be a whole number >= 1, not 0"),
        ("max_parallel = 2.0", "max_parallel: must be a whole number >= 1, not 2.0"),
        ("paralel = 1", "paralel: unknown key; did you mean 'max_parallel'?"),
        ("hooks = 1", "hooks: must be a table, not 1"),
        ("hooks.on_fail = 'x'", "hooks.on_fail: unknown key; did you mean 'on_failure'?"),
        ("hooks.on_failure = ['x']", "hooks.on_failure: must be a string, not a list"),
        ("budgets = {max_cost_usd = -1}", "budgets.max_cost_usd: must be a number >= 0, not -1"),
        (
            f"budgets.max_cost_usd = 1{'0' * 400}",
            "budgets.max_cost_usd: is too large",
        ),
        ("budgets.max_cost_usd = inf", "budgets.max_cost_usd: must be a number >= 0, not inf"),
        ("budgets.max_iterations = true", "budgets.max_iterations: must be a whole number >= 0, not true"),
        (
            "budgets.max_tokens = 9223372036854775808",
            "budgets.max_tokens: must be at most 9223372036854775807",
        ),
        (
            "budgets.until = 2030-01-31T06:00:00",
            "budgets.until: needs a time zone, such as 2030-01-31T06:00:00Z",
        ),
        (
            "budgets.until = 2030-01-31",
            "budgets.until: must be an RFC 3339 time such as 2030-01-31T06:00:00Z, not 2030-01-31",
        ),
        (
            "budgets.until = '8h'",
            "budgets.until: must be an RFC 3339 time such as 2030-01-31T06:00:00Z, not '8h'",
        ),
        (
            "budgets.until = 9999-12-31T23:59:59-01:00",
            "budgets.until: must be an RFC 3339 time such as 2030-01-31T06:00:00Z, not 9999-12-31 23:59:59-01:00",
        ),
    ],
)
def test_a_wrong_key_is_one_error_with_its_line_and_reason(line: str, reason: str) -> None:
    assert problems(f'prompts = [{{name = "alpha"}}]\n{line}\n') == [f"nightly.toml:2: {reason}"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ": prompts: is required"),
        ("prompts = []", ':1: prompts: must be a list such as [{name = "alpha"}], not an empty one'),
        ("prompts = 'alpha'", ":1: prompts: must be a list such as [{name = \"alpha\"}], not 'alpha'"),
        ("prompts = ['alpha']", ":1: prompts[0]: must be a table, not 'alpha'"),
        ("prompts = [{}]", ":1: prompts[0].name: is required"),
        ("prompts = [{name = 1}]", ":1: prompts[0].name: must be a string, not 1"),
        ("prompts = [{name = 'x'}]", ":1: prompts[0].name: no prompt is named 'x'"),
        ("prompts = [", ": not valid TOML: Invalid value at the end of the file"),
        ("prompts = 1\nprompts = 2\n", ":2: not valid TOML: Cannot overwrite a value"),
        ("a = " + "[" * 50_000, ": not valid TOML: nested too deeply"),
        ("a." * 20_000 + "a = 1", ": not valid TOML: nested too deeply"),
        ("a = " + "9" * 5_000, ": not valid TOML: Exceeds the limit"),
    ],
)
def test_a_file_that_is_no_rotation_is_one_error(text: str, reason: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"nightly.toml{reason}")


def test_all_problems_of_a_file_are_reported_at_once_each_with_its_line() -> None:
    text = '''# "[a comment]" with { brackets
on = """
[hooks]
weight_override = 0
"""  # and the string is no table
prompts = [
    { name = "alpha", weight_override = 0 },
    { name = "alhpa", x = { deep = [1, { name = "]" }] } },
    { name = "alpha", "odd key" = "{[" }, { name = "bravo", max_runs_override = 0 },
]

[budgets]
max_tokens = "many"
  [ hooks ]
"pre_session" = 1
'''
    assert problems(text) == [
        "nightly.toml:2: on: unknown key",
        "nightly.toml:7: prompts[0].weight_override: must be a whole number >= 1, not 0",
        "nightly.toml:8: prompts[1].x: unknown key",
        "nightly.toml:8: prompts[1].name: no prompt is named 'alhpa'; did you mean 'alpha'?",
        "nightly.toml:9: prompts[2].'odd key': unknown key",
        "nightly.toml:9: prompts[2].name: 'alpha' is already named by prompts[0]",
        "nightly.toml:9: prompts[3].max_runs_override: must be a whole number >= 1, not 0",
        "nightly.toml:13: budgets.max_tokens: must be a whole number >= 0, not 'many'",
        "nightly.toml:15: hooks.pre_session: must be a string, not 1",
    ]


def test_the_tables_of_a_list_have_lines_of_their_own() -> None:
    assert problems('[[prompts]]\nname = "alpha"\n\n[[prompts]]\nevery_override = 0\nname = "bravo"\n') == [
        "nightly.toml:5: prompts[1].every_override: must be a whole number >= 1, not 0"
    ]


def test_while_prompts_could_not_be_read_no_name_is_called_unknown() -> None:
    assert parse('prompts = [{name = "charlie"}]', known=None).prompt_names == ("charlie",)


@given(st.text(alphabet=st.sampled_from("ab.=[]{}\"'#, \n1")))
def test_any_text_is_a_rotation_or_an_error_about_that_file(text: str) -> None:
    try:
        parse(text, known=None)
        files = {"nightly.toml"}
    except InputError as error:
        files = {problem.file for problem in error.problems}
    assert files == {"nightly.toml"}


NIGHT = prompt("alpha", tags=("night", "slow"))
DAY = prompt("bravo", tags=("day",))
PLAIN = prompt("charlie")
PROMPTS = {doc.meta.name: doc for doc in (NIGHT, DAY, PLAIN)}


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ((), ("alpha", "bravo", "charlie")),
        (("night",), ("alpha",)),
        (("day", "slow"), ("alpha", "bravo")),
        (("day", "never"), ("bravo",)),
    ],
)
def test_tags_select_the_prompts_that_carry_any_of_them(
    tags: tuple[str, ...], names: tuple[str, ...]
) -> None:
    rotation = default_rotation([NIGHT, DAY, PLAIN])
    assert select_by_tags(rotation, PROMPTS, tags).prompt_names == names


@pytest.mark.parametrize(
    ("names", "taking_part"),
    [
        ((), ("alpha", "bravo", "charlie")),
        (("charlie", "alpha", "charlie"), ("alpha", "charlie")),
    ],
)
def test_names_select_prompts_in_the_order_of_the_rotation(
    names: tuple[str, ...], taking_part: tuple[str, ...]
) -> None:
    rotation = default_rotation([NIGHT, DAY, PLAIN])
    assert select_by_names(rotation, names, PROMPTS).prompt_names == taking_part


@pytest.mark.parametrize(
    ("names", "known", "message", "hint"),
    [
        (
            ("alhpa", "delta", "zulu"),
            ("delta", "charlie", "bravo", "alpha"),
            "no prompt is named 'alhpa' or 'zulu'; did you mean 'alpha'?",
            "existing prompts: alpha, bravo, charlie, delta",
        ),
        (("zulu",), (), "no prompt is named 'zulu'", "there are no prompts"),
        (
            ("delta",),
            ("delta",),
            "rotation 'default' does not contain 'delta'",
            "`--rotation default` chooses from all prompts",
        ),
    ],
)
def test_a_name_that_takes_no_part_refuses_to_start(
    names: tuple[str, ...], known: tuple[str, ...], message: str, hint: str
) -> None:
    with pytest.raises(StartError) as caught:
        select_by_names(default_rotation([NIGHT, DAY, PLAIN]), names, known)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("names", "hint"),
    [(("alpha", "bravo"), "existing tags: day, night, slow"), (("charlie",), "no prompt has tags")],
)
def test_tags_that_no_prompt_carries_refuse_to_start(names: tuple[str, ...], hint: str) -> None:
    rotation = Rotation(name="nightly", entries=tuple(Entry(name=name) for name in names))
    with pytest.raises(StartError) as caught:
        select_by_tags(rotation, PROMPTS, ["weekly", "x"])
    assert caught.value.message == "no prompt of rotation 'nightly' is tagged 'weekly' or 'x'"
    assert caught.value.hint == hint
