"""Every row of every table of words is found by the sentences that it was made for (SPEC 6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitboss import agents
from pitboss.agents.services.words import SERVICES, had_begun, meaning, meaning_of_code, vocabulary
from pitboss.agents.table import backend_names, find_backend
from pitboss.core.session import Reason

NAMES = sorted(file.parent.name for file in Path(agents.__file__).parent.glob("*/words.toml"))
ROWS = [(name, row) for name in NAMES for row in (*vocabulary(name).row, *vocabulary(name).last)]
SAID = [(name, row.means, said) for name, row in ROWS for said in row.said]


@pytest.mark.parametrize(("name", "means", "said"), SAID)
def test_a_sentence_means_what_its_row_says(name: str, means: Reason, said: str) -> None:
    assert meaning(said, None if name == SERVICES else name) is means


def test_each_table_is_of_a_backend_or_of_the_services() -> None:
    folders = {type(find_backend(name)).__module__.rpartition(".")[2] for name in backend_names()}
    assert set(NAMES) <= {*folders, SERVICES}


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_a_sentence_and_no_sentence_stands_twice(name: str) -> None:
    assert all(row.said for its, row in ROWS if its == name)
    sentences = [said for its, _, said in SAID if its == name]
    assert len(set(sentences)) == len(sentences)


def test_codes_of_a_cli_go_before_those_of_the_services() -> None:
    assert meaning_of_code("insufficient_quota") is Reason.BILLING
    assert meaning_of_code("GoUsageLimitError", "opencode") is Reason.RATE_LIMITED
    assert meaning_of_code("GoUsageLimitError") is None
    assert meaning_of_code(None, "opencode") is None


@pytest.mark.parametrize("nothing", ["", "division by zero", "the tool was terminated", "3 tests failed"])
def test_other_words_mean_nothing(nothing: str) -> None:
    assert all(meaning(nothing, name if name != SERVICES else None) is None for name in NAMES)


@pytest.mark.parametrize(
    "said",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: 'x'",
        "ModuleNotFoundError: No module named 'x'",
        "Error: TemplateNotFound",
        "ResourceNotFound: x",
    ],
)
def test_what_a_program_does_not_find_is_no_outage(said: str) -> None:
    assert meaning(said) is None


@pytest.mark.parametrize("said", [said for row in vocabulary(SERVICES).broken for said in row.said])
def test_an_answer_that_broke_off_had_begun(said: str) -> None:
    assert had_begun(said)
    assert had_begun(Reason.OVERLOADED.because(said))


@pytest.mark.parametrize(
    "said",
    [
        "stream disconnected before completion: error sending request for url (https://example.com/v1/responses)",
        "connect ECONNREFUSED 127.0.0.1:1",
        "Selected model is at capacity. Please try a different model.",
        "529 Overloaded",
        "socket hang up",
        "",
    ],
)
def test_a_request_that_was_not_served_had_no_answer(said: str) -> None:
    assert not had_begun(said)
