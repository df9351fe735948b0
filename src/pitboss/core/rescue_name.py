"""The name by which people and commands call a rescue ref (SPEC 8)."""

from __future__ import annotations


def rescue_name(ref: str) -> str:
    """The short name of a ref given in full: RUN_ID/session-NNNN, or RUN_ID/session-NNNN-K."""
    return "/".join(ref.split("/")[-2:])
