"""Pauses, words and numbers of workers."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from penstock.core.config import Config
from penstock.core.resources.model import ModelDeclaration
from penstock.core.workers.copies import CopyInEach
from penstock.core.workers.doors import Doors
from penstock.core.workers.main import Part, part_of
from penstock.core.workers.number import WorkerNumber
from penstock.core.workers.supervisor import LONGEST_PAUSE_S, in_words, pause_after


def test_the_first_start_again_is_at_once_and_pauses_grow() -> None:
    pauses = [pause_after(ends) for ends in range(1, 12)]
    assert pauses[:4] == [0.0, 0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert pause_after(1000) == LONGEST_PAUSE_S


def test_ends_in_words() -> None:
    assert in_words(-9) == "was ended by SIGKILL"
    assert in_words(3) == "ended with status 3"


def test_letters_of_two_workers_never_have_one_number() -> None:
    numbers = [
        letter for worker in (1, 2, 3) for letter in islice(WorkerNumber(worker, 3).letters, 50)
    ]
    assert sorted(numbers) == list(range(1, 151))


def test_a_model_has_a_copy_in_each_worker_that_can_have_it() -> None:
    copies = CopyInEach(4, frozenset({"python", "sklearn"}))
    assert copies(ModelDeclaration(python="m:M")) == (4, "inprocess")
    assert copies(ModelDeclaration(python="m:M", requirements=("sklearn",))) == (4, "inprocess")
    assert copies(ModelDeclaration(python="m:M", server="inprocess")) == (4, "inprocess")
    assert copies(ModelDeclaration(storage_uri="x", requirements=("triton",))) == (1, None)
    assert copies(ModelDeclaration(storage_uri="x", server="mlserver")) == (1, "mlserver")


def test_what_a_worker_is_told_is_read_back() -> None:
    for config in (None, Path("/etc/penstock.yaml")):
        part = Part(config, Path("/tmp/doors"), 2, 4, 8900, 8901, 5, 6)
        assert part_of(part.arguments()) == part


def test_a_worker_shares_its_ports_and_its_door_is_its_own() -> None:
    part = Part(None, Path("/tmp/doors"), 2, 4, 1234, 1235, 5, 6)
    config = part.on(Config())
    assert (config.rest.port, config.rest.shared_port) == (1234, True)
    assert (config.grpc.port, config.grpc.shared_port) == (1235, True)
    door = Doors(part.folder, part.workers).worker(2)
    at_door = door.on(config)
    assert at_door.rest.host == "unix:/tmp/doors/worker-2-rest.sock"
    assert at_door.grpc.host == door.grpc_target == "unix:/tmp/doors/worker-2-grpc.sock"
    assert not at_door.rest.shared_port
