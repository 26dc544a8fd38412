"""The input of a request that is made of records which go together by their key and order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.core.contracts.transport import Delivery, Output
from penstock.core.dataflow import Deployment
from penstock.core.streams.gathered import port_of
from penstock.core.streams.gathered_input import GatheredInput
from penstock.core.streams.pairing import Pair, Pairing

if TYPE_CHECKING:
    from penstock.core.streams.tenure import Tenure


class PairedInput(GatheredInput):
    """Is finished with all records that have come to its pair by then, and with what the others are
    owed. ``pair`` is None for a record that belongs to one which is finished."""

    __slots__ = ("pair", "pairing")

    def __init__(
        self, tenure: Tenure, delivery: Delivery, deployment: Deployment, pairing: Pairing
    ) -> None:
        super().__init__(tenure, delivery, deployment)
        self.pairing = pairing
        self.pair: Pair | None = None

    def comes_late(self, delivery: Delivery) -> None:
        """A record has come to the pair whose input is decided, and not finished yet."""
        self._brought[port_of(delivery)] = delivery

    def finishes(self) -> None:
        if self.pair is not None and self.pair.request is self:
            self.unwritten += self.pairing.end(self.pair)

    def owed(self, outputs: Sequence[Output]) -> None:
        """Its record is passed over, and that is written with its end."""
        self.unwritten += outputs
        self.pass_over()
