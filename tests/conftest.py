"""What holds for every test, on whatever machine and however it was started."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

from pitboss.store.opening import take_notices

# Properties are checked with the same examples everywhere, however slow the machine.
settings.register_profile(
    "reproducible", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("searching", max_examples=5000, deadline=None)  # --hypothesis-profile=searching
settings.load_profile("reproducible")

# In the background of a script, or under nohup, these are ignored, and agents and commands would inherit that.
for _signum, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_signum) is signal.SIG_IGN:
        signal.signal(_signum, _handler)


@pytest.fixture(autouse=True)
def _no_notices_of_earlier_tests() -> None:
    """What was noticed in this process is told by the next run in it, which must be the test's own."""
    take_notices()
