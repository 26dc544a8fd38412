"""Tallies as messages of ``penstock.routes.v1``, both ways."""

from __future__ import annotations

from penstock.core.experiments.tally import MOST_METRICS, ArmKey, Moments, Tally
from penstock.core.latency_buckets import BUCKETS
from penstock.proto import routes_pb2 as pb


def write_tally(key: ArmKey, tally: Tally) -> pb.Tally:
    """What came of one arm, as a message."""
    return pb.Tally(
        experiment=key.experiment,
        version=key.version,
        arm=key.arm,
        requests=tally.requests,
        failures=tally.failures,
        latencies=tally.latencies,
        latency_ms=tally.latency_ms,
        metrics={
            metric: pb.Moments(count=int(each.count), sum=each.sum, squares=each.squares)
            for metric, each in tally.metrics.items()
        },
    )


def read_tally(message: pb.Tally) -> tuple[ArmKey, Tally]:
    """What came of one arm in a message. Buckets that there are not, and metrics too many, are
    left out."""
    tally = Tally()
    tally.requests, tally.failures = message.requests, message.failures
    tally.latencies = {
        bucket: count for bucket, count in message.latencies.items() if 0 <= bucket < BUCKETS
    }
    tally.latency_ms = message.latency_ms
    for metric, each in list(message.metrics.items())[:MOST_METRICS]:
        tally.metrics[metric] = Moments(each.count, each.sum, each.squares)
    return ArmKey(message.experiment, message.version, message.arm), tally
