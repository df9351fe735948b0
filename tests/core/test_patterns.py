"""Patterns that are compiled on first use."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from pitboss.core.patterns import compile_now, lazy_pattern


def test_a_lazy_pattern_answers_as_the_compiled_one() -> None:
    lazy, compiled = lazy_pattern(r"(?P<word>a+)", re.IGNORECASE), re.compile(r"(?P<word>a+)", re.IGNORECASE)
    for _ in range(2):
        assert [found["word"] for found in lazy.finditer("Aa b a")] == ["Aa", "a"]
        assert lazy.sub("-", "aab") == compiled.sub("-", "aab") == "-b"
    assert (lazy.pattern, lazy.flags, lazy.groupindex) == (
        compiled.pattern,
        compiled.flags,
        compiled.groupindex,
    )
    assert lazy_pattern(rb"b+").fullmatch(b"bb")


def test_a_mistake_in_a_lazy_pattern_shows_when_it_is_used() -> None:
    broken = lazy_pattern("(")
    with pytest.raises(re.error, match="missing"):
        broken.search("")


def test_whoever_has_time_compiles_all_patterns_of_a_module() -> None:
    module = ModuleType("patterns")
    vars(module).update(one=lazy_pattern("a+"), other="(")
    compile_now(module)
    assert module.one.match("aa")
    vars(module)["broken"] = lazy_pattern("(")
    with pytest.raises(re.error, match="missing"):
        compile_now(module)
