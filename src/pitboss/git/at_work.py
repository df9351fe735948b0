"""Says when a git that this process keeps running is at work: its lock files must not be taken for a dead one's."""

from threading import Lock

KEPT_GIT_AT_WORK = Lock()
"""Held while such a git changes refs. It works in no folder of the repository, so nothing else tells whose they are."""
