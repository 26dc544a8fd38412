"""How many calls of models can be expected of what waits in the streams of pipelines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class PipelineQueue(NamedTuple):
    """What has not ended of one pipeline, in its streams.

    ``requests`` have not; of these, those count as begun that can be found at work elsewhere.
    ``calls`` are what is written down for model gateways (layout spread) and not carried out, by
    model. ``called`` are the models that are called by who has the request in hand, and ``asked``
    the pipelines that it asks through streams of their own. ``expects`` are all models that
    requests call, also those of pipelines that are steps.
    """

    name: str
    requests: int
    calls: Mapping[str, int]
    called: frozenset[str]
    asked: frozenset[str]
    expects: frozenset[str]


def expected_calls(
    queues: Sequence[PipelineQueue], under_way: Callable[[str], int]
) -> dict[str, int]:
    """How many calls of each model wait in streams, of which ``under_way`` are none.

    A request that nobody has begun counts once for each model that it calls; loops, triggers and
    models of several steps make that an estimate. Calls of a model under way count as begun for all
    who may have made them, so that too little is expected sooner than too much.
    """
    requests = {queue.name: queue.requests for queue in queues}
    waiting: dict[str, int] = defaultdict(int)
    written: dict[str, int] = defaultdict(int)
    for queue in queues:
        begun = sum(queue.calls.values()) + sum(map(under_way, queue.called))
        begun += sum([requests.get(name, 0) for name in queue.asked])
        for model in queue.expects:
            waiting[model] += max(queue.requests - begun, 0)
        for model, calls in queue.calls.items():
            written[model] += calls
    for model, calls in written.items():
        waiting[model] += max(calls - under_way(model), 0)
    return waiting
