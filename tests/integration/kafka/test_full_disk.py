"""The broker's disk is full under load: nothing that was accepted is lost, nobody waits in vain."""

from __future__ import annotations

import time
from pathlib import Path

from chaos.city import LEAST, ONCE, PIPELINES, city
from chaos.load import CALL_S, Caller
from harness.kafka import need_kafka
from harness.small_disk import small_disk
from integration.kafka.test_misfortunes import Load
from penstock.transports.kafka.broker.cluster import LocalKafka

DISK_MB = 200
END_S = 60.0
"""How long it may take until the broker has noticed that it cannot write."""


def test_a_full_disk_loses_nothing_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    need_kafka()
    folder = tmp_path / "city"
    folder.mkdir()
    with (
        small_disk(tmp_path / "disk", DISK_MB) as disk,
        LocalKafka(disk.folder / "kafka") as kafka,
        city(folder, kafka, {"up": ("up",)}) as world,
    ):
        load = Load(world)
        callers = [Caller([world.url("up")], name, 0.02) for name in PIPELINES]
        time.sleep(2.0)
        disk.fill()
        [broker] = kafka.brokers
        # Its only folder of logs is of no use any more, so it ends.
        broker.ended.result(END_S)
        answered = [caller.answered for caller in callers]
        time.sleep(CALL_S + 2.0)
        assert [caller.answered for caller in callers] == answered
        disk.empty()
        broker.start()
        load.end(refused=True)
        for caller, before in zip(callers, answered, strict=True):
            caller.stop()
            assert not caller.wrong
            assert caller.answered > before
            refused = {each for each in caller.outcomes if not each.startswith("200")}
            assert refused, "the disk was full"
            assert all(each[:3] in ("503", "504", "429") for each in refused), refused
        assert load.doubled(ONCE) == []
        # What has waited in the streams does not fail for want of room either.
        assert load.failed(ONCE) == load.failed(LEAST) == {}
