"""What `pitboss doctor` finds: one line each, with a verdict (SPEC 8)."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Health(StrEnum):
    """A verdict: a run will work, will work with a catch, or will not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, on one line; `hint` says what to do about it."""

    subject: str
    health: Health
    finding: str
    hint: str | None = None


def ok(subject: str, finding: str) -> Check:
    """It works."""
    return Check(subject=subject, health=Health.OK, finding=finding)


def warning(subject: str, finding: str, *, hint: str | None = None) -> Check:
    """It works, with a catch."""
    return Check(subject=subject, health=Health.WARNING, finding=finding, hint=hint)


def problem(subject: str, finding: str, *, hint: str | None = None) -> Check:
    """A run would not work."""
    return Check(subject=subject, health=Health.PROBLEM, finding=finding, hint=hint)
