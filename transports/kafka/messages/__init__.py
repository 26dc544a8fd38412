"""Records as Kafka's messages, and back.

:func:`encode` and :func:`decode` are exact: what is decoded of an encoded record is that record.
A record's own headers (:mod:`penstock.transports.kafka.messages.headers`) hold what its value does
not; they are fields of the record and not among its headers, where one of their names counts
before the field. What says nothing is not written: no identity, version 0, round 0, no deadline.
"""

from penstock.transports.kafka.messages.message import KafkaMessage
from penstock.transports.kafka.messages.nothing import NOTHING, says_nothing
from penstock.transports.kafka.messages.reader import decode
from penstock.transports.kafka.messages.writer import encode

__all__ = ["NOTHING", "KafkaMessage", "decode", "encode", "says_nothing"]
