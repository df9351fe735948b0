"""The color of each tone (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from pitboss.core.tone import Tone
from pitboss.screens.output import Ink, paint

if TYPE_CHECKING:
    from collections.abc import Mapping

TONE_INK: Mapping[Tone, Ink] = {
    Tone.OK: Ink.GOOD,
    Tone.ACTIVE: Ink.NAME,
    Tone.WARN: Ink.WARN,
    Tone.BAD: Ink.BAD,
    Tone.QUIET: Ink.FAINT,
}


def paint_tone(text: str, tone: Tone, stream: TextIO | None = None) -> str:
    """`text`, colored by how good it is."""
    return paint(text, TONE_INK[tone], stream)
