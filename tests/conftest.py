"""What tests of all kinds use."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.kafka import kafka as kafka
from harness.kafka import start_kafka as start_kafka

_LONGEST = Path(__file__).parent / "integration" / "kafka"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: files go to processes one by one, and one that waits a
    minute for each of its few tests would have the others wait at the end."""
    items.sort(key=lambda item: _LONGEST not in item.path.parents)
