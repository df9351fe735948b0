"""Threads that meet a type at the same moment: msgspec alone crashes, what `pitboss.typed` offers does not."""

from __future__ import annotations

import subprocess
import sys

MEETINGS = """
import sys
from threading import Barrier, Thread

import msgspec
from pitboss.typed import decoder_of, from_builtins, from_json

sys.setswitchinterval(1e-6)
INNER = b'{"type": "b", "a": {"x": 1}, "more": [{"x": 2}]}'
OUTER = b'{"type": "c", "b": %s, "named": {"k": {"x": 3}}}' % INNER


def meet():
    class A(msgspec.Struct, frozen=True):
        x: int = 0

    class B(msgspec.Struct, frozen=True, tag="b"):
        a: A = A()
        more: tuple[A, ...] = ()

    class C(msgspec.Struct, frozen=True, tag="c"):
        b: B = B()
        named: dict[str, A] = {}

    ways = [
        lambda: from_json(OUTER, C).named["k"].x == 3,
        lambda: from_builtins({"type": "c", "named": {"k": {"x": 3}}}, B | C).named["k"].x == 3,
        lambda: decoder_of(B).decode(INNER).more[0].x == 2,
    ]
    together = Barrier(2 * len(ways))

    def read(way):
        together.wait()
        right.append(way())

    threads = [Thread(target=read, args=(way,)) for way in 2 * ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


right = []
for _ in range(300):
    meet()
print(len(right), all(right))
"""


def test_types_that_are_met_by_many_threads_at_once_are_read_right() -> None:
    done = subprocess.run([sys.executable, "-c", MEETINGS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1800 True\n", "")
