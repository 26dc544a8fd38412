"""The names of streams."""

from __future__ import annotations

from typing import Final

from penstock.core.records import Port

REPLY_PARTITIONS: Final = 8
"""How many partitions the reply stream has. Every process counts on it, so it is no option."""


EXTERNALS: Final = ".externals"
"""How the names end of streams in which records are brought together that a pipeline reads."""


class StreamNames:
    """The streams of one namespace, as ``<prefix>.<namespace>.pipeline.<pipeline>.inputs``."""

    __slots__ = ("replies", "root")

    def __init__(self, prefix: str = "penstock", namespace: str = "default") -> None:
        self.root = f"{prefix}.{namespace}"
        self.replies = f"{self.root}.replies"
        """Where gateways hear what their callers wait for."""

    @classmethod
    def under(cls, root: str) -> StreamNames:
        """The names under a transport's root, ``<prefix>.<namespace>``."""
        prefix, _, namespace = root.rpartition(".")
        return cls(prefix, namespace)

    @property
    def group(self) -> str:
        """The group in which workers share partitions."""
        return f"{self.root}.dataflow"

    @property
    def models_group(self) -> str:
        """The group in which model gateways share partitions of the inputs of steps."""
        return f"{self.root}.models"

    def share_group(self, pipeline: str) -> str:
        """The group in which workers are handed out the requests of a pipeline one by one."""
        return f"{self.root}.shared.{pipeline}"

    @property
    def dead_letters(self) -> str:
        """Where dead letters go."""
        return f"{self.root}.deadletters"

    def reply_address(self, partition: int) -> str:
        """What a request says of where its answer is waited for."""
        return f"{self.replies}/{partition}"

    def reply_partition(self, address: str | None) -> int | None:
        """The partition of an address of :meth:`reply_address`; None for what is no such address.

        Anybody may write a request, and answers must not go wherever it says.
        """
        if address is None:
            return None
        stream, _, number = address.rpartition("/")
        if stream != self.replies or not (number.isascii() and number.isdigit()):
            return None
        return int(number) if len(number) < 4 and int(number) < REPLY_PARTITIONS else None

    def state(self, pipeline: str, consumer: str) -> str:
        """Where it is kept what the join of a step, or of the output under the pipeline's own name,
        keeps across requests."""
        return f"{self.root}.pipeline.{pipeline}.state.{consumer}"

    def externals(self, pipeline: str) -> str:
        """Where the records are brought together that a pipeline reads of others."""
        return f"{self.root}.pipeline.{pipeline}{EXTERNALS}"

    def aside(self, pipeline: str) -> str:
        """Where requests are put that were handed out one by one and could not be finished by who
        had them: they go to the owners of its partitions."""
        return f"{self.root}.pipeline.{pipeline}.aside"

    def owed(self, pipeline: str) -> str:
        """Where it is kept which records of others a pipeline that matches by key has done without,
        and is to pass over when they come."""
        return f"{self.root}.pipeline.{pipeline}.owed"

    def ended(self, pipeline: str) -> str:
        """Where it is said of each request to a pipeline without an output that it has ended, and
        how: as an output without tensors, or the first failure."""
        return f"{self.root}.pipeline.{pipeline}.ended"

    def of(self, pipeline: str, port: Port) -> str:
        """The stream of a port of a pipeline."""
        if port.step is None:
            return f"{self.root}.pipeline.{pipeline}.{port.side}"
        return f"{self.root}.pipeline.{pipeline}.step.{port.step}.{port.side}"
