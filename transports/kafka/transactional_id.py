"""A producer that has taken a transactional id, as soon as that can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

BEGIN_S: Final = 30.0
"""How long the coordinator of transactions may take to be found."""

_FIRST_TRY_S: Final = 0.1
_LONGEST_TRY_S: Final = 2.0

_CONNECT_S: Final = 3.0
"""How long one producer may take to find a broker, and again to find its way there."""


def taken(
    config: Mapping[str, Any], topic: str, now_s: Callable[[], float], begins: Callable[[], None]
) -> Producer:
    """A producer for transactions under the id in ``config``; whoever had it is fenced, and what
    they had under way is ended. ``topic`` is one that is there. Waits, and calls ``begins`` before
    each try: one that takes much longer than it may hangs in the library.

    The broker first ends what is under way, and has the library ask again. It does so after half
    a second; a new producer asks at once. Nor does one find a broker any more that has lost all of
    them. Raises KafkaException.
    """
    until_s = now_s() + BEGIN_S
    try_s = _FIRST_TRY_S
    while True:
        begins()
        producer = Producer(dict(config))
        try:
            _connect(producer, topic)
            producer.init_transactions(try_s)
        except KafkaException as error:
            unreached = error.args[0].code() in _UNREACHED
            if not (unreached or error.args[0].retriable()) or now_s() >= until_s:
                raise
            if unreached:
                time.sleep(try_s)  # it may have been told so at once
            try_s = min(2.0 * try_s, _LONGEST_TRY_S)
        else:
            return producer


def _connect(producer: Producer, topic: str) -> None:
    """Have a connection to a broker that stays. The one that the library begins with it closes
    when it knows the brokers; a question for the coordinator that was on its way there it would
    ask again after half a second."""
    for _ in range(2):
        producer.list_topics(topic, _CONNECT_S)


_UNREACHED: Final = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT})
