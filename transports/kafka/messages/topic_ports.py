"""Which port the records of a topic belong to, by the topic's name."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from penstock.core.errors import InvalidRequestError
from penstock.core.records import Port, PortSide

_SIDES: Final[dict[str, PortSide]] = {"inputs": "inputs", "outputs": "outputs"}

KEPT_TOPICS: Final = 16_384
"""Topics whose ports are remembered."""


@lru_cache(maxsize=KEPT_TOPICS)
def port_of_topic(topic: str) -> Port:
    """The port, as :class:`penstock.core.streams.names.StreamNames` names its stream.

    Of a topic that belongs to no port it is the pipeline's input.
    """
    parts = topic.split(".")
    side = _SIDES.get(parts[-1])
    if side is None:
        return Port(None, "inputs")
    return Port(parts[-2] if parts[-3:-2] == ["step"] else None, side)


def port_named(text: str) -> Port:
    """The port of a header, as ``outputs`` or ``scale.outputs``; raises InvalidRequestError."""
    step, _, side_name = text.rpartition(".")
    side = _SIDES.get(side_name)
    if side is None:
        raise InvalidRequestError(
            f"the header penstock-port is '{text[:100]}'; it is inputs, outputs, or one of them "
            "behind the name of a step and a dot"
        )
    return Port(step or None, side)
