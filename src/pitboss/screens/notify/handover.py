"""What the runner leaves to its guardian: the news that no address has had yet, however the runner ends (SPEC 12).

It is memory that both share since the fork: no file to clean up, nothing to write that could fail, and what a killed
runner wrote is there.
"""

from __future__ import annotations

import mmap

import msgspec

from pitboss.core.notice import Owed
from pitboss.typed import from_json

_SIZE = 256 * 1024
_HEAD = 4


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a run's notices. `began`: the run has been announced, so that its end is news.

    `owed` is by channel; `told` says what a person has heard of already; `warned` are the channels that failed.
    """

    began: bool = False
    owed: dict[str, Owed] = {}
    told: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


class Handover:
    """Shared memory with the latest `Left`; make it before the fork. One thread writes at a time.

    It has two places, and its first byte says which of them is whole.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1 + 2 * _SIZE)

    def write(self, left: Left) -> None:
        """Leave this; if it is too much, only the failures of channels and that the run began."""
        data = msgspec.json.encode(left)
        if len(data) > _SIZE - _HEAD:
            data = msgspec.json.encode(msgspec.structs.replace(left, owed={}, told=()))
        place = 2 if self._memory[0] == 1 else 1
        at = 1 + (place - 1) * _SIZE
        self._memory[at : at + _HEAD] = len(data).to_bytes(_HEAD, "big")
        self._memory[at + _HEAD : at + _HEAD + len(data)] = data
        self._memory[0] = place

    def read(self) -> Left:
        """What was left last."""
        place = self._memory[0]
        if not place:
            return Left()
        at = 1 + (place - 1) * _SIZE
        size = int.from_bytes(self._memory[at : at + _HEAD], "big")
        return from_json(self._memory[at + _HEAD : at + _HEAD + size], Left)
