"""What goes with requests that are taken one by one (``dataflow.shareGroup``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from penstock.core.manifests.findings import Finding
from penstock.core.resources import Pipeline

_WITHOUT: Final = "or leave dataflow.shareGroup out"


def findings_of_shares(pipeline: Pipeline) -> Iterator[Finding]:
    """What a pipeline cannot have beside a share group."""
    spec = pipeline.spec
    if spec.dataflow is None or not spec.dataflow.share_group:
        return
    if spec.layout != "fused":
        yield Finding(
            ("spec", "layout"),
            f"in layout {spec.layout} the number of partitions does not bound who works, and a "
            "share group is of no use",
            f"write layout: fused, {_WITHOUT}",
        )
    if spec.delivery == "exactly-once":
        yield Finding(
            ("spec", "delivery"),
            "what a share group hands out is done at least once: that it is done cannot be "
            "written together with the answer",
            f"write delivery: at-least-once, {_WITHOUT}",
        )
    if spec.output is not None and spec.output.order is not None:
        yield Finding(
            ("spec", "output", "order"),
            "a share group hands requests out in no order",
            f"leave output.order out, {_WITHOUT}",
        )
    if spec.input is not None and spec.input.external_inputs:
        yield Finding(
            ("spec", "input", "externalInputs"),
            "what other pipelines bring goes together at the owners of partitions, and is in no "
            "share group",
            f"leave externalInputs out, {_WITHOUT}",
        )
