"""What tests of all kinds use."""

from __future__ import annotations

from harness.kafka import kafka as kafka
from harness.kafka import start_kafka as start_kafka
