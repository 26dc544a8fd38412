"""Requests that come as records of streams: who takes them, runs them, and finishes them.

The decisions (what is taken, what runs alone, what is a duplicate, what is written and finished
when) are made by objects without I/O, tasks or clock of their own. :class:`StreamWorker` carries
them out over a transport.
"""

from penstock.core.streams.clock import Glance, TransportClock, are_enough
from penstock.core.streams.limits import StreamLimits
from penstock.core.streams.model_gateway_worker import ModelGatewayWorker
from penstock.core.streams.names import StreamNames
from penstock.core.streams.pipeline import StreamedPipeline
from penstock.core.streams.request import StreamRequest
from penstock.core.streams.tenure import Batch, Carrier, PartitionAccess, Tenure
from penstock.core.streams.turnstile import Turnstile
from penstock.core.streams.worker import StreamWorker

__all__ = [
    "Batch",
    "Carrier",
    "Glance",
    "ModelGatewayWorker",
    "PartitionAccess",
    "StreamLimits",
    "StreamNames",
    "StreamRequest",
    "StreamWorker",
    "StreamedPipeline",
    "Tenure",
    "TransportClock",
    "Turnstile",
    "are_enough",
]
