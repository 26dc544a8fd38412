"""What a server warns of that others can reach."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.config import Config
from penstock.core.runtime.exposure import exposures

TLS = {"certificateFile": "a.pem", "keyFile": "a.key"}
ACCESS = {"access": {"token": {"env": "TOKEN"}}}


@pytest.mark.parametrize(
    ("config", "warned"),
    [
        ({}, []),
        ({"rest": {"host": "localhost"}, "grpc": {"host": "::1"}}, []),
        ({"rest": {"host": "0.0.0.0"}}, ["rest listens on 0.0.0.0, and whoever reaches it"]),
        (
            {
                "rest": {"host": "0.0.0.0"},
                "grpc": {"host": "here.example.org"},
                "scheduler": ACCESS,
            },
            ["rest listens on 0.0.0.0 without TLS", "grpc listens on here.example.org without TLS"],
        ),
        ({"rest": {"host": "0.0.0.0", "tls": TLS}, "scheduler": ACCESS}, []),
        ({"rest": {"host": "0.0.0.0", "tls": TLS}}, ["rest listens on 0.0.0.0, and whoever"]),
    ],
)
def test_what_others_can_do(config: dict[str, Any], warned: list[str]) -> None:
    found = list(exposures(Config.model_validate(config)))
    assert len(found) == len(warned)
    for sentence, beginning in zip(found, warned, strict=True):
        assert sentence.startswith(beginning)
