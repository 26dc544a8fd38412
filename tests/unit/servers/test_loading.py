"""Models are loaded one at a time, because modules that two threads import at once can deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import StepFailedError
from penstock.servers.binding import loading
from penstock.servers.binding.loading import load_model

PATIENCE_S = 10.0


def echo(x: Any) -> Any:
    return {"y": x}


class Importing(Loader):
    """Loads as long as a function takes, and knows how many loads there were at once."""

    def __init__(self, meanwhile: Callable[[str], None]) -> None:
        self.meanwhile = meanwhile
        self.at_once = 0
        self.most = 0

    def capabilities(self) -> frozenset[str]:
        return frozenset()

    def recognises(self, spec: ModelSpec) -> bool:
        return True

    def load(self, spec: ModelSpec) -> Any:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            self.meanwhile(spec.name)
        finally:
            self.at_once -= 1
        return echo


def loads(loader: Importing, *names: str) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=load_model, args=(loader, ModelSpec(name, 1), VirtualClock()))
        for name in names
    ]
    for thread in threads:
        thread.start()
    return threads


def test_one_load_at_a_time() -> None:
    other = threading.Event()

    # Were another load begun meanwhile, it would be seen within this time.
    def meanwhile(name: str) -> None:
        other.wait(0.02)

    loader = Importing(meanwhile)
    for thread in loads(loader, "a", "b", "c"):
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert loader.most == 1


def test_a_load_that_hangs_holds_the_others_up_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "IMPORT_PATIENCE_S", 0.01)
    entered, go_on = threading.Event(), threading.Event()

    def meanwhile(name: str) -> None:
        if name == "hangs":
            entered.set()
            assert go_on.wait(PATIENCE_S)

    loader = Importing(meanwhile)
    [hanging] = loads(loader, "hangs")
    assert entered.wait(PATIENCE_S)
    [other] = loads(loader, "other")
    other.join(PATIENCE_S)
    assert not other.is_alive()
    assert hanging.is_alive()
    go_on.set()
    hanging.join(PATIENCE_S)
    assert not hanging.is_alive()


def test_the_next_load_goes_on_after_one_that_failed() -> None:
    def fails(name: str) -> None:
        if name == "broken":
            raise SystemExit(3)

    loader = Importing(fails)
    with pytest.raises(StepFailedError, match="model 'broken' cannot be loaded: SystemExit: 3"):
        load_model(loader, ModelSpec("broken", 1), VirtualClock())
    assert load_model(loader, ModelSpec("fine", 1), VirtualClock()).name == "fine"
