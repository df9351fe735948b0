"""Output of any size goes through in bounded memory and time (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import finish

if TYPE_CHECKING:
    from pathlib import Path

MEASURED = """
import sys
from pathlib import Path
from pitboss.process import Command, run
heard = []
ended = run(
    Command(argv=("sh", "-c", sys.argv[1]), cwd="/", transcript=sys.argv[2]),
    on_output=lambda chunk: heard.append(len(chunk)),
)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak_kib = int(status["VmHWM"].split()[0])
print(ended.code, sum(heard), max(heard) <= 256 * 1024)
assert peak_kib < 64 * 1024, peak_kib
"""
MUCH = 64 * 1024 * 1024
# VmHWM and not ru_maxrss, which a process inherits from whoever started it.


@pytest.mark.parametrize(
    ("source", "size"),
    [
        (f"head -c {MUCH} /dev/zero | tr '\\0' x", MUCH),
        (f"yes | head -c {MUCH}", MUCH),
    ],
    ids=["one line", "many lines"],
)
def test_memory_stays_under_64_mb(source: str, size: int) -> None:
    assert finish(MEASURED, source, "/dev/null") == [f"0 {size} True"]


def test_a_long_transcript_is_written_whole(tmp_path: Path) -> None:
    transcript = tmp_path / "session.log"
    finish(MEASURED, "head -c 20000000 /dev/zero | tr '\\0' '\\377'", transcript)
    assert transcript.stat().st_size == 20_000_000
    with transcript.open("rb") as file:
        assert all(set(chunk) == {0xFF} for chunk in iter(lambda: file.read(1 << 20), b""))
