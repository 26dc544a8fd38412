"""The scheduler under all that may happen to it, and the bugs that this must find."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

from unit.control.scheduler_machine import SchedulerMachine

EXAMPLES: Final = int(os.environ.get("PENSTOCK_EXAMPLES", "100"))

SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = SETTINGS
