"""Our messages are Envoy's: as its own classes, which are fetched here and not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.message import Message

from harness.real_servers import servers_home
from penstock.proto import envoy_pb2
from penstock.transports.envoy.messages import NAMES

CLASSES = "xds-protos==1.85.0"

SPOKEN: Mapping[type[Message], str] = {
    envoy_pb2.DeltaDiscoveryRequest: "envoy.service.discovery.v3.DeltaDiscoveryRequest",
    envoy_pb2.DeltaDiscoveryResponse: "envoy.service.discovery.v3.DeltaDiscoveryResponse",
    envoy_pb2.StreamAccessLogsMessage: "envoy.service.accesslog.v3.StreamAccessLogsMessage",
    envoy_pb2.StreamAccessLogsResponse: "envoy.service.accesslog.v3.StreamAccessLogsResponse",
}
"""What is sent as it is; all others stand in them."""

TELL = """
import pkgutil, sys
from importlib import import_module

wheel, *packages = sys.argv[1:]
sys.path.insert(0, wheel)
from google.protobuf.descriptor_pb2 import FileDescriptorSet

files = {}

def add(file):
    if file.name not in files:
        files[file.name] = file.serialized_pb
        for each in file.dependencies:
            add(each)

for package in packages:
    for module in pkgutil.iter_modules(import_module(package).__path__, package + "."):
        if module.name.endswith("_pb2"):
            add(import_module(module.name).DESCRIPTOR)
told = FileDescriptorSet()
for content in files.values():
    told.file.add().ParseFromString(content)
sys.stdout.buffer.write(told.SerializeToString())
"""
"""Run by a process of its own: the classes bring files that others have as well."""


class Types(NamedTuple):
    """Messages and enums by their full names, which begin with a dot."""

    messages: Mapping[str, DescriptorProto]
    enums: Mapping[str, EnumDescriptorProto]


def types_of(files: FileDescriptorSet) -> Types:
    messages: dict[str, DescriptorProto] = {}
    enums: dict[str, EnumDescriptorProto] = {}

    def add(prefix: str, kinds: DescriptorProto | FileDescriptorProto) -> None:
        enums.update({f"{prefix}.{each.name}": each for each in kinds.enum_type})
        inner = kinds.nested_type if isinstance(kinds, DescriptorProto) else kinds.message_type
        for each in inner:
            messages[f"{prefix}.{each.name}"] = each
            add(f"{prefix}.{each.name}", each)

    for file in files.file:
        add(f".{file.package}", file)
    return Types(messages, enums)


def our_types() -> Types:
    files = [envoy_pb2.DESCRIPTOR, *envoy_pb2.DESCRIPTOR.dependencies]
    told = [FileDescriptorProto.FromString(each.serialized_pb) for each in files]
    return types_of(FileDescriptorSet(file=told))


@pytest.fixture(scope="module")
def their_types() -> Types:
    folder = servers_home() / "envoy-classes" / CLASSES
    if not list(folder.glob("*.whl")):
        fetch(folder)
    [wheel] = folder.glob("*.whl")
    packages = {name.rpartition(".")[0] for name in (*NAMES.values(), *SPOKEN.values())}
    command = [sys.executable, "-c", TELL, str(wheel), *sorted(packages)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60.0)
    return types_of(FileDescriptorSet.FromString(done.stdout))


def fetch(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), CLASSES]
    done = subprocess.run(pip, check=False, capture_output=True, text=True, timeout=120.0)
    if done.returncode != 0 and not os.environ.get("CI"):
        pytest.skip(f"{CLASSES} cannot be fetched here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


class Comparison:
    """Goes through our messages beside Envoy's, from the outermost to all that stand in them."""

    def __init__(self, ours: Types, theirs: Types) -> None:
        self.ours = ours
        self.theirs = theirs
        self.compared: set[tuple[str, str]] = set()

    def differences(self, our_name: str, their_name: str) -> Iterator[str]:
        """What is otherwise in a message of theirs, a sentence for each."""
        if (our_name, their_name) in self.compared:
            return
        self.compared.add((our_name, their_name))
        their_fields = {each.name: each for each in self.theirs.messages[their_name].field}
        for field in self.ours.messages[our_name].field:
            their_field = their_fields.get(field.name)
            if their_field is None:
                yield f"{their_name} has no {field.name}"
            elif _form(field) != _form(their_field):
                yield f"{field.name} of {their_name} is {_form(their_field)}, not {_form(field)}"
            elif field.type == FieldDescriptorProto.TYPE_MESSAGE:
                yield from self.differences(field.type_name, their_field.type_name)
            elif field.type == FieldDescriptorProto.TYPE_ENUM:
                yield from self._values(field.type_name, their_field.type_name)

    def _values(self, our_name: str, their_name: str) -> Iterator[str]:
        theirs = {each.name: each.number for each in self.theirs.enums[their_name].value}
        for each in self.ours.enums[our_name].value:
            if theirs.get(each.name) != each.number:
                yield f"{each.name} of {their_name} is {theirs.get(each.name)}, not {each.number}"


def _form(field: FieldDescriptorProto) -> tuple[int, str, bool]:
    """What a field is on the wire."""
    kind = FieldDescriptorProto.Type.Name(field.type)
    return field.number, kind, field.label == FieldDescriptorProto.LABEL_REPEATED


def test_each_message_is_envoys_on_the_wire(their_types: Types) -> None:
    ours = our_types()
    comparison = Comparison(ours, their_types)
    for kind, name in {**NAMES, **SPOKEN}.items():
        assert not list(comparison.differences(f".{kind.DESCRIPTOR.full_name}", f".{name}"))
    assert {our_name for our_name, _ in comparison.compared} >= {
        name
        for name, message in ours.messages.items()
        if name.startswith(".penstock.") and not message.options.map_entry
    }, "a message of ours stands in none"


def test_what_is_otherwise_is_found(their_types: Types) -> None:
    ours = our_types()
    name = ".penstock.envoy.v3.Endpoint.HealthCheckConfig"
    wrong = DescriptorProto.FromString(ours.messages[name].SerializeToString())
    wrong.field[0].number = 1
    comparison = Comparison(Types({**ours.messages, name: wrong}, ours.enums), their_types)
    outermost = envoy_pb2.ClusterLoadAssignment
    [found] = comparison.differences(f".{outermost.DESCRIPTOR.full_name}", f".{NAMES[outermost]}")
    assert found.startswith("address of .envoy.config.endpoint.v3.Endpoint.HealthCheckConfig is (3")
