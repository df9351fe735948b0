"""What a session is said to have failed by: the first test, whatever runner named it (SPEC 6, verify)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.failing import first_failing

PYTEST = """\
=================================== FAILURES ===================================
___________________________________ test_add ___________________________________

>       assert add(1, 1) == 3
E       assert 2 == 3

tests/test_calc.py:5: AssertionError
=========================== short test summary info ============================
FAILED tests/test_calc.py::test_add - assert 2 == 3
FAILED tests/test_calc.py::TestSub::test_sub[a b] - assert 0 == 1
========================= 2 failed, 9 passed in 0.02s ==========================
"""
PYTEST_COLORED = (
    "\x1b[31mFAILED\x1b[0m tests/test_calc.py::\x1b[1mtest_add\x1b[0m - no\n\x1b[31m1 failed\x1b[0m\n"
)
PYTEST_COLLECTING = """\
==================================== ERRORS ====================================
_____________________ ERROR collecting tests/test_calc.py ______________________
E   ModuleNotFoundError: No module named 'calc'
=========================== short test summary info ============================
ERROR tests/test_calc.py
!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!
=============================== 1 error in 0.05s ===============================
"""
CARGO = """\
running 3 tests
test tests::adds ... ok
test tests::subtracts ... FAILED
test tests::divides ... FAILED

failures:

---- tests::subtracts stdout ----
thread 'tests::subtracts' panicked at src/lib.rs:12:9:

failures:
    tests::divides
    tests::subtracts

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
error: test failed, to rerun pass `--lib`
"""
GO = """\
=== RUN   TestAdd
--- FAIL: TestAdd (0.00s)
    --- FAIL: TestAdd/negative (0.00s)
        calc_test.go:14: got 1, want -1
FAIL
FAIL\texample.com/calc\t0.002s
FAIL
"""
GO_TWO = "--- FAIL: TestA (0.00s)\n    a_test.go:3: no\n--- FAIL: TestB (0.00s)\n    --- FAIL: TestB/x (0.00s)\nFAIL\n"
GO_BUILD = "# example.com/calc\n./calc.go:3:1: syntax error\nFAIL\texample.com/calc [build failed]\nFAIL\n"
UNITTEST = """\
.F
======================================================================
FAIL: test_add (tests.test_calc.CalcTest.test_add)
----------------------------------------------------------------------
Traceback (most recent call last):
AssertionError: 2 != 3

----------------------------------------------------------------------
Ran 2 tests in 0.001s

FAILED (failures=1)
"""
JEST = """\
 FAIL  src/sum.test.js
  ✓ adds (2 ms)
  ✕ subtracts (1 ms)

  ● arithmetic › subtracts

    expect(received).toBe(expected)

Tests:       1 failed, 1 passed, 2 total
Time:        0.5 s
Ran all test suites.
npm error Lifecycle script `test` failed
"""
VITEST = """\
 ❯ src/sum.test.ts (2 tests | 1 failed) 4ms
   × arithmetic > subtracts 3ms

⎯⎯⎯⎯⎯⎯⎯ Failed Tests 1 ⎯⎯⎯⎯⎯⎯⎯

 FAIL  src/sum.test.ts > arithmetic > subtracts
AssertionError: expected 1 to be 2

 Test Files  1 failed (1)
   Duration  200ms
"""
NODE = "✔ adds (0.5ms)\n✖ subtracts (1.2ms)\nℹ tests 2\nℹ fail 1\n"
TAP = "TAP version 13\nok 1 - adds\nnot ok 2 - subtracts # time=1ms\n1..2\n"
MOCHA = "  1 passing (3ms)\n  1 failing\n\n  1) arithmetic\n       subtracts:\n     AssertionError\n"
RSPEC = "Failures:\n\nFailed examples:\n\nrspec ./spec/calc_spec.rb:4 # Calc adds\n"


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (PYTEST, "tests/test_calc.py::test_add"),
        (PYTEST_COLORED, "tests/test_calc.py::test_add"),
        (PYTEST.partition("=== short")[0], "test_add"),
        (PYTEST_COLLECTING, "tests/test_calc.py"),
        (CARGO, "tests::subtracts"),
        (GO, "TestAdd/negative"),
        (GO_TWO, "TestA"),
        (GO_BUILD, "example.com/calc [build failed]"),
        (UNITTEST, "tests.test_calc.CalcTest.test_add"),
        ("FAIL: test_add (tests.test_calc.CalcTest)\n----\n", "test_add (tests.test_calc.CalcTest)"),
        (JEST, "arithmetic › subtracts"),
        (VITEST, "src/sum.test.ts > arithmetic > subtracts"),
        (NODE, "subtracts"),
        (TAP, "subtracts"),
        (MOCHA, "arithmetic"),
        (RSPEC, "./spec/calc_spec.rb:4"),
        ("make: *** [Makefile:3: check] Error 1\n====\n", "make: *** [Makefile:3: check] Error 1"),
        ("==== 3 problems ====\n-----\n", "3 problems"),
        ("=====\n\n", None),
        ("", None),
    ],
)
def test_the_first_failing_test_is_named(output: str, name: str | None) -> None:
    assert first_failing(output) == name


@given(st.text())
def test_any_output_gives_one_short_line_or_none(output: str) -> None:
    said = first_failing(output)
    assert said is None or (0 < len(said) <= 200 and "\n" not in said)
