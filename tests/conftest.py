"""What holds for every test: properties are checked with the same examples everywhere, however slow the machine."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "reproducible", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("searching", max_examples=5000, deadline=None)  # --hypothesis-profile=searching
settings.load_profile("reproducible")
