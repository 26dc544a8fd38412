"""The generated modules: fresh, in our package, and out of the way of other V2 libraries."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf import any_pb2, api_pb2, descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2

from penstock import proto
from penstock.proto import generate, open_inference_pb2, open_inference_pb2_grpc, reflection

SOURCES = Path(proto.__path__[0]).parents[1]
SERVICE = "inference.GRPCInferenceService"


def compiled() -> list[descriptor_pb2.FileDescriptorProto]:
    folder = SOURCES / generate.PACKAGE
    return generate.descriptors(SOURCES, sorted(path.name for path in folder.glob("*.proto")))


def comparable(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    """Take out the JSON names, which the generated modules leave out and protoc writes."""
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        comparable(message.nested_type)


def test_the_modules_are_those_of_the_proto_files() -> None:
    for descriptor in compiled():
        module = import_module(f"penstock.proto.{Path(descriptor.name).stem}_pb2")
        generated = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        comparable(descriptor.message_type)
        comparable(generated.message_type)
        assert generated == descriptor, f"run python -m {generate.__name__}"


def test_the_checkers_stubs_name_every_method() -> None:
    for descriptor in compiled():
        stub = SOURCES / Path(descriptor.name).with_name(
            f"{Path(descriptor.name).stem}_pb2_grpc.pyi"
        )
        if descriptor.service:
            assert stub.read_text() == "\n".join(generate.service_stubs(descriptor)) + "\n"


def test_another_library_may_register_the_protocol() -> None:
    file = descriptor_pb2.FileDescriptorProto.FromString(
        open_inference_pb2.DESCRIPTOR.serialized_pb
    )
    file.name = "grpc_service.proto"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    # What tritonclient does on import, in the pool that all libraries share.
    default = descriptor_pool.Default()
    default.AddSerializedFile(file.SerializeToString())
    assert default.FindServiceByName(SERVICE).full_name == SERVICE
    assert open_inference_pb2.DESCRIPTOR.pool is not default


def test_the_services_stub_has_every_call() -> None:
    calls = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    servicer = open_inference_pb2_grpc.GRPCInferenceServiceServicer
    assert {name for name in vars(servicer) if name[0] != "_"} == set(calls)


def test_reflection_shows_the_services_of_all_pools() -> None:
    files = [open_inference_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, api_pb2.DESCRIPTOR]
    pool = reflection.reflection_pool([*files, any_pb2.DESCRIPTOR])
    assert pool.FindServiceByName(SERVICE)
    assert pool.FindServiceByName("grpc.health.v1.Health")
    assert pool.FindMessageTypeByName("google.protobuf.Any")


def test_generating_writes_every_module_beside_its_proto_file(tmp_path: Path) -> None:
    folder = tmp_path / generate.PACKAGE
    folder.mkdir(parents=True)
    (folder / "theirs.proto").write_text(
        'syntax = "proto3"; package inference; message A { map<string, B> m = 1; } message B {}'
    )
    (folder / "ours.proto").write_text(
        'syntax = "proto3"; package penstock.test.v1; message A {}'
        "service S { rpc Call(A) returns (A); rpc Down(A) returns (stream A);"
        "rpc Up(stream A) returns (A); }"
    )
    generate.generate(tmp_path)
    assert generate.OWN_POOL in (folder / "theirs_pb2.py").read_text()
    assert generate.DEFAULT_POOL in (folder / "ours_pb2.py").read_text()
    assert "_Mapping]" not in (folder / "theirs_pb2.pyi").read_text()
    assert not (folder / "theirs_pb2_grpc.py").exists()
    stub = (folder / "ours_pb2_grpc.pyi").read_text()
    messages = "[_messages.A, _messages.A]"
    assert f"    Down: aio.UnaryStreamMultiCallable{messages}\n" in stub
    assert f"    Up: aio.StreamUnaryMultiCallable{messages}\n" in stub
    assert (
        "    async def Up(self, request: AsyncIterator[_messages.A], context: "
        f"aio.ServicerContext{messages}) -> _messages.A: ...\n"
    ) in stub


def test_generating_says_what_protoc_refuses(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / generate.PACKAGE).mkdir(parents=True)
    (tmp_path / generate.PACKAGE / "bad.proto").write_text("nonsense")
    with pytest.raises(RuntimeError, match=r"protoc refused bad\.proto"):
        generate.generate(tmp_path)
    assert "bad.proto" in capfd.readouterr().err
