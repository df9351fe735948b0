"""A process can have thousands of sessions, each with a connection and a thread (SPEC 14)."""

from __future__ import annotations

import resource

import pytest

from pitboss.workers.crowds import OPEN_FILES, WAIT_LISTS, allow_open_files
from tests.support.processes import finish


def test_a_run_may_have_more_connections_than_a_shell_has_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        allow_open_files()
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
        allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == allowed
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert allowed == (OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES), hard)


def test_the_kernel_keeps_the_threads_of_a_crowd_apart() -> None:
    source = """
import ctypes
from pitboss.workers.crowds import spread_waits
PR_FUTEX_HASH, GET_SLOTS = 78, 2
spread_waits()
print(ctypes.CDLL(None).prctl(PR_FUTEX_HASH, GET_SLOTS, 0, 0, 0))
"""
    (slots,) = map(int, finish(source))
    if slots < 0:
        pytest.skip("this kernel has no lists of each process's own")
    assert slots == WAIT_LISTS
