"""The page about Kafka messages names every header that stands in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.request_headers import IDENTITY_HEADER, ORIGIN_HEADER
from penstock.core.streams import headers as of_streams
from penstock.transports.kafka.messages import headers as of_messages

PAGE = Path(__file__).parents[3] / "docs/reference/kafka-messages.md"
OF_STATE = {of_streams.KEPT_HEADER, of_streams.COUNTED_HEADER}
"""Of topics that only Penstock reads."""

NAMES = {
    value
    for module in (of_streams, of_messages)
    for name, value in vars(module).items()
    if name.endswith("_HEADER")
}


@pytest.mark.parametrize("name", sorted({*NAMES, ORIGIN_HEADER, IDENTITY_HEADER} - OF_STATE))
def test_a_header_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
