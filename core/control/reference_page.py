"""Makes ``docs/reference/status.md`` from the reasons that conditions have.

``python -m penstock.core.control.reference_page FILE`` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from penstock.core.control.reasons import Reason

_HEAD: Final = """\
# Status

Every resource is its manifest plus `status`:

| field | means |
|---|---|
| `revision` | Grows by one with every change of any resource; that of the resource's last change. |
| `version` | Grows by one with every change of the resource's `spec`: the version that is wanted. |
| `conditions` | What is known: `type`, `status` (`True`, `False`), `reason`, `message`, `since`. |

Conditions are few, and say what is true now:

| type | is there | means |
|---|---|---|
| `Ready` | always | Calls are answered, by whichever version the message names. |
| `Progressing` | while the wanted version is not the one that answers | `True`: work goes on. \
`False`: nothing will change until somebody acts. |
| `TransportReached` | of pipelines, where a transport between processes carries their requests | \
`True`: it answers; `False`: it does not at the moment. |
| `ReplicasReady` | while fewer replicas are there than are wanted | `False`: the version answers \
with those that there are. |
| `Scaled` | of models that are scaled by their load | How many copies there are to be, and why. |
| `Drained` | of servers, while somebody has asked for it | It, or the replicas that the message \
names, take no models. |
| `ScaleUpWanted` | on servers that models are waiting for | Models fit nowhere, and would on \
more replicas of the server: the message says on how many, and which. They are added up to \
`maxReplicas` where this process starts the server; else the message says what somebody has to do. |
| `GuardHolds` | of experiments with a guard | `True`: no arm is beyond a bound, as far as can be \
told; `False`: one is, or was. |
| `RollingOut` | of experiments with a rollout | `True`: the new candidate is to get more than it \
has; `False`: it has all that it is to get. |
| `Settled` | of experiments, once a guard or an operator has decided | All requests go to the arm \
that the message names, until the manifest changes. |
| `WeightsFromManifest` | of experiments, while other weights are in force | `False`: the message \
has them, and why. |
| `BanditWorks` | of experiments whose bandit gives no shares | `False`: the message says why. |
| `MetricsWork` | of experiments whose metrics cannot be computed | `False`: the message says \
which, and why. |
| `FieldsWithoutEffect` | where fields are accepted and do nothing | The message names them. |

So a resource is as it is wanted when `Ready` is `True` and there is no `Progressing`, and waiting
longer is of no use when `Progressing` is `False`. A new version that fails leaves the old one in
service: then `Ready` stays `True`.

| reason | means |
|---|---|
"""

_FOOT: Final = """
This page is made from the code: `python -m penstock.core.control.reference_page FILE`.
"""


def reference_page() -> str:
    """The page."""
    rows = (f"| `{reason}` | {reason.meaning} |\n" for reason in Reason)
    return _HEAD + "".join(rows) + _FOOT


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
