"""The names of streams."""

from __future__ import annotations

from penstock.core.records import Port


class StreamNames:
    """The streams of one namespace, as ``<prefix>.<namespace>.pipeline.<pipeline>.inputs``."""

    __slots__ = ("_root",)

    def __init__(self, prefix: str = "penstock", namespace: str = "default") -> None:
        self._root = f"{prefix}.{namespace}"

    @property
    def group(self) -> str:
        """The group in which workers share partitions."""
        return f"{self._root}.dataflow"

    @property
    def models_group(self) -> str:
        """The group in which model gateways share partitions of the inputs of steps."""
        return f"{self._root}.models"

    @property
    def dead_letters(self) -> str:
        """Where dead letters go."""
        return f"{self._root}.deadletters"

    def state(self, pipeline: str, consumer: str) -> str:
        """Where it is kept what the join of a step, or of the output under the pipeline's own name,
        keeps across requests."""
        return f"{self._root}.pipeline.{pipeline}.state.{consumer}"

    def of(self, pipeline: str, port: Port) -> str:
        """The stream of a port of a pipeline."""
        if port.step is None:
            return f"{self._root}.pipeline.{pipeline}.{port.side}"
        return f"{self._root}.pipeline.{pipeline}.step.{port.step}.{port.side}"
