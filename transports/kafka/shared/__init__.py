"""Records that a share group hands out one by one (KIP-932)."""

from __future__ import annotations

from penstock.transports.kafka.shared.copies import copied
from penstock.transports.kafka.shared.reader import GROUP_SETTINGS, KafkaShareReader

__all__ = ["GROUP_SETTINGS", "KafkaShareReader", "copied"]
