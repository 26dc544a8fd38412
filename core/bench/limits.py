"""What limits the figures other than the server."""

from __future__ import annotations

from typing import Final

from penstock.core.bench.figures import Figures
from penstock.core.bench.load import LoadPlan
from penstock.core.bench.machine import Busy

CLIENT_FULL: Final = 0.85
MACHINE_FULL: Final = 0.9
REACHED: Final = 0.95
LATE_MS: Final = 5.0


def limits_of(plan: LoadPlan, figures: Figures, busy: Busy) -> list[str]:
    """A sentence for each thing that kept the server from being what is measured."""
    said = []
    if busy.client >= CLIENT_FULL:
        said.append(
            f"this client took {busy.client:.0%} of a core: it limits the rate and adds to the "
            "latencies; run several of it, or ask for less"
        )
    if busy.machine is not None and busy.machine >= MACHINE_FULL:
        said.append(
            f"all cores of this machine were busy ({busy.machine:.0%}): if the server runs here "
            "as well, they take from each other; run the client elsewhere"
        )
    if plan.rate is not None:
        done = figures.requests / figures.elapsed_s if figures.elapsed_s else 0.0
        if done < REACHED * plan.rate and figures.requests > 1:
            said.append(
                f"{done:.0f} of {plan.rate:g} requests per second were made: {plan.in_flight} in "
                "flight are not enough for how long answers take; latencies count the wait"
            )
        if figures.lateness.quantile(0.99) > LATE_MS:
            said.append(
                f"this client sent late by itself (99th percentile "
                f"{figures.lateness.quantile(0.99):.1f} ms), which latencies count"
            )
    return said
