"""What chance comes to seldom, step by step: short ways to what must not go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from unit.control.scheduler_machine import SchedulerMachine

Story: TypeAlias = Callable[[SchedulerMachine], Iterator[None]]
"""Takes steps, and stops after each for the laws to be looked at."""


def told(story: Story, kind: type[SchedulerMachine]) -> None:
    """Tell it to a machine of its own. Raises AssertionError where a law is broken."""
    machine = kind()
    try:
        machine.begin(ends_abruptly=False, something_is_there=False)
        for _ in story(machine):
            machine.the_laws_hold()
    finally:
        machine.teardown()


def _server(machine: SchedulerMachine, name: str, version: int = 1, memory: int = 0) -> None:
    machine.apply_server(name=name, replicas=1, memory=memory, version=version, words=[])


def _model(machine: SchedulerMachine, name: str, *words: str, **spec: int) -> None:
    asked = {"replicas": 1, "least": 0, "memory": 0, **spec}
    machine.apply_model(name=name, python="m:A", words=list(words), pinned=None, **asked)


def least_replicas(machine: SchedulerMachine) -> Iterator[None]:
    """One of two copies is loaded, and two are the least."""
    _server(machine, "s")
    _server(machine, "t")
    machine.loads_come_to(name="a", fate="hangs")
    _model(machine, "a", replicas=2, least=2)
    yield
    machine.end_one(0, "well")
    yield


def room_that_gets_free(machine: SchedulerMachine) -> Iterator[None]:
    """One waits for the room of another, which is deleted."""
    _server(machine, "s", memory=10)
    _model(machine, "a", memory=10)
    yield
    _model(machine, "b", memory=10)
    yield
    machine.delete_one("Model", "a")
    yield


def a_load_that_is_given_up(machine: SchedulerMachine) -> Iterator[None]:
    """Its server goes on with it, and has no room for another until it ends."""
    _server(machine, "s", memory=10)
    machine.loads_come_to(name="a", fate="hangs")
    _model(machine, "a", memory=10)
    yield
    _model(machine, "b", memory=10)
    yield
    machine.delete_one("Model", "a")
    yield
    machine.end_one(0, "well")
    yield


def room_that_is_taken(machine: SchedulerMachine) -> Iterator[None]:
    """One lacks a word, and soon the room as well."""
    _server(machine, "s", memory=10)
    _model(machine, "b", "gpu", memory=6)
    yield
    _model(machine, "a", memory=6)
    yield


def a_server_that_goes(machine: SchedulerMachine) -> Iterator[None]:
    """A model moves, and its load on the other server takes long."""
    _server(machine, "s")
    _model(machine, "a")
    _server(machine, "t")
    machine.loads_come_to(name="a", fate="hangs")
    yield
    machine.delete_one("Server", "s")
    yield
    machine.end_one(0, "well")
    yield


def a_server_that_is_drained(machine: SchedulerMachine) -> Iterator[None]:
    """The same, where the server stays."""
    _server(machine, "s")
    _model(machine, "a")
    _server(machine, "t")
    machine.loads_come_to(name="a", fate="hangs")
    yield
    machine.drain_one("s")
    yield
    machine.end_one(0, "well")
    yield
    machine.drain_one("s", undo=True)
    yield


def another_version_of_a_server(machine: SchedulerMachine) -> Iterator[None]:
    """Its start takes long, and the next one's fails."""
    _server(machine, "s")
    _model(machine, "a")
    machine.starts_come_to(fate="hangs")
    yield
    _server(machine, "s", version=2)
    yield
    machine.end_one(0, "well")
    machine.starts_come_to(fate="for good")
    yield
    _server(machine, "s", version=1)
    yield


def a_load_that_fails_in_passing(machine: SchedulerMachine) -> Iterator[None]:
    """It is tried again when it is time."""
    _server(machine, "s")
    machine.loads_come_to(name="a", fate="in passing")
    _model(machine, "a")
    yield
    machine.loads_come_to(name="a", fate="well")
    machine.time_passes(seconds=70)
    yield


def more_copies_while_one_is_tried_again(machine: SchedulerMachine) -> Iterator[None]:
    """One that was to move was enough again when its load had failed."""
    machine.apply_server(name="s", replicas=2, memory=0, version=1, words=[])
    _model(machine, "a")
    machine.loads_come_to(name="a", fate="in passing")
    machine.drain_one("s")
    yield
    _model(machine, "a", replicas=2)
    yield


def a_version_that_waits_for_others(machine: SchedulerMachine) -> Iterator[None]:
    """And loses its server meanwhile."""
    _server(machine, "s")
    machine.apply_two(first="m:A", second="m:A")
    machine.apply_pipeline(name="p", chain=["a", "b"])
    yield
    machine.loads_come_to(name="b", fate="hangs")
    machine.apply_two(first="m:Widens", second="m:Wide")
    assert machine.plane.control._models._places["a"].held is not None
    yield
    machine.apply_server(name="s", replicas=0, memory=0, version=1, words=[])
    yield


def a_pipeline_that_is_behind(machine: SchedulerMachine) -> Iterator[None]:
    """Its versions lack a model, and do not."""
    _server(machine, "s")
    machine.apply_two(first="m:A", second="m:A")
    for model in ("a", "c", "b", "c"):
        machine.apply_pipeline(name="q", chain=[model])
        yield
    machine.delete_one("Model", "b")
    yield
    machine.apply_pipeline(name="q", chain=["a"])
    machine.apply_pipeline(name="q", chain=["c"])
    machine.delete_one("Pipeline", "q")
    yield


def a_version_that_breaks_a_pipeline(machine: SchedulerMachine) -> Iterator[None]:
    """It is refused."""
    _server(machine, "s")
    machine.apply_two(first="m:A", second="m:A")
    machine.apply_pipeline(name="p", chain=["a", "b"])
    yield
    machine.apply_two(first="m:Widens", second="m:A")
    yield


def a_version_that_is_resized_while_another_is_refused(machine: SchedulerMachine) -> Iterator[None]:
    """Copies that come later are of the version that serves."""
    machine.apply_server(name="s", replicas=2, memory=0, version=1, words=[])
    machine.apply_two(first="m:A", second="m:A")
    machine.apply_pipeline(name="p", chain=["a", "b"])
    yield
    machine.apply_two(first="m:Widens", second="m:A")
    yield
    machine.apply_model(
        name="a", python="m:Widens", replicas=1, least=0, memory=0, words=[], pinned=None
    )
    yield
    machine.drain_one("s")
    yield


def a_server_that_cannot_be_started(machine: SchedulerMachine) -> Iterator[None]:
    """And is deleted; another is while it is being started."""
    machine.starts_come_to(fate="for good")
    _server(machine, "t")
    yield
    machine.starts_come_to(fate="hangs")
    _server(machine, "s")
    for name in "st":
        machine.delete_one("Server", name)
        yield


def a_pipeline_that_is_deleted_in_service(machine: SchedulerMachine) -> Iterator[None]:
    """All that it asks for is there."""
    _server(machine, "s")
    machine.apply_two(first="m:A", second="m:A")
    machine.apply_pipeline(name="p", chain=["a", "b"])
    yield
    machine.delete_one("Pipeline", "p")
    yield


def a_pipeline_that_is_deleted_before_it_serves(machine: SchedulerMachine) -> Iterator[None]:
    """One of its models was never there."""
    _server(machine, "s")
    _model(machine, "a")
    machine.apply_pipeline(name="p", chain=["a", "b"])
    yield
    machine.delete_one("Pipeline", "p")
    yield


def a_version_that_serves_again(machine: SchedulerMachine) -> Iterator[None]:
    """Its last copy went with its server, which comes back."""
    _server(machine, "s")
    _model(machine, "a")
    yield
    machine.apply_server(name="s", replicas=0, memory=0, version=1, words=[])
    yield
    _server(machine, "s")
    yield


STORIES: Final[tuple[Story, ...]] = (
    least_replicas,
    room_that_gets_free,
    a_load_that_is_given_up,
    room_that_is_taken,
    a_server_that_goes,
    a_server_that_is_drained,
    another_version_of_a_server,
    a_load_that_fails_in_passing,
    more_copies_while_one_is_tried_again,
    a_version_that_waits_for_others,
    a_pipeline_that_is_behind,
    a_version_that_breaks_a_pipeline,
    a_version_that_is_resized_while_another_is_refused,
    a_server_that_cannot_be_started,
    a_pipeline_that_is_deleted_in_service,
    a_pipeline_that_is_deleted_before_it_serves,
    a_version_that_serves_again,
)
