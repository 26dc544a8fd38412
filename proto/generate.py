"""Generate the Python modules beside the .proto files: ``python -m penstock.proto.generate``.

Needs grpcio-tools. Use the oldest release that the project supports (1.80): modules that a newer
one writes refuse older versions of protobuf and grpcio.

Beside what protoc writes, each service gets a stub file for type checkers, and files of a package
that is not our own are loaded into a descriptor pool of their own: ``inference`` is registered by
every other V2 library too (tritonclient, mlserver), and protobuf refuses a second file with the
same names in its default pool, which would keep models from using those libraries. What imports
such a file lives in its pool.
"""

from __future__ import annotations

import importlib.resources
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]  # has no types

PACKAGE = "penstock/proto"
HEADER = "# ruff: noqa\n# fmt: off\n"
DEFAULT_POOL = "_descriptor_pool.Default()"
OWN_POOL = "_descriptor_pool.DescriptorPool()"


def descriptors(sources: Path, names: list[str]) -> list[FileDescriptorProto]:
    """The descriptors of the .proto files ``names`` under ``sources/penstock/proto``."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "descriptors.bin"
        compile_protos(sources, names, f"--descriptor_set_out={output}")
        return list(FileDescriptorSet.FromString(output.read_bytes()).file)


def compile_protos(sources: Path, names: list[str], *options: str) -> None:
    """Run protoc over ``names``; raises RuntimeError after protoc has said what is wrong."""
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    files = [f"{PACKAGE}/{name}" for name in names]
    if protoc.main(["protoc", f"-I{sources}", f"-I{well_known}", *options, *files]) != 0:
        raise RuntimeError(f"protoc refused {', '.join(names)}")


def generate(sources: Path) -> None:
    """Write the modules of every .proto file in ``sources/penstock/proto`` beside it."""
    folder = sources / PACKAGE
    names = sorted(path.name for path in folder.glob("*.proto"))
    outputs = (f"--{kind}_out={sources}" for kind in ("python", "pyi", "grpc_python"))
    compile_protos(sources, names, *outputs)
    for descriptor in descriptors(sources, names):
        finish(folder, descriptor)


def finish(folder: Path, descriptor: FileDescriptorProto) -> None:
    """Make what protoc wrote for one file fit in: pool, checkers' stubs, and no linting."""
    stem = Path(descriptor.name).stem
    module = folder / f"{stem}_pb2.py"
    text = module.read_text(encoding="utf-8")
    strangers = [name for name in descriptor.dependency if name.startswith(PACKAGE)]
    if strangers:
        # A file must live in the pool of what it imports.
        alias = strangers[0].removesuffix(".proto").replace("_", "__").replace("/", "_dot_")
        text = text.replace(DEFAULT_POOL, f"{alias}__pb2.DESCRIPTOR.pool")
    elif not descriptor.package.startswith("penstock."):
        if DEFAULT_POOL not in text:
            raise RuntimeError(f"protoc writes {module.name} in a new way; adapt {__name__}")
        text = text.replace(DEFAULT_POOL, OWN_POOL)
    module.write_text(HEADER + text, encoding="utf-8")
    stub = module.with_suffix(".pyi")
    typed = stub.read_text(encoding="utf-8").replace(", _Mapping]", ", _Mapping[str, object]]")
    stub.write_text(HEADER + typed, encoding="utf-8")
    services = folder / f"{stem}_pb2_grpc.py"
    if descriptor.service:
        services.write_text(HEADER + services.read_text(encoding="utf-8"), encoding="utf-8")
        services.with_suffix(".pyi").write_text("\n".join(service_stubs(descriptor)) + "\n")
    else:
        services.unlink()


def service_stubs(descriptor: FileDescriptorProto) -> Iterator[str]:
    """The lines of the stub file for the services of one .proto file (asyncio side)."""
    stem = Path(descriptor.name).stem
    yield f"{HEADER}from collections.abc import AsyncIterator\n"
    yield "from grpc import aio\n"
    yield f"from penstock.proto import {stem}_pb2 as _messages"
    for service in descriptor.service:
        yield f"\nclass {service.name}Stub:"
        yield "    def __init__(self, channel: aio.Channel) -> None: ..."
        for method in service.method:
            asked, answered = message_name(method.input_type), message_name(method.output_type)
            call = ("Stream" if method.client_streaming else "Unary") + (
                "Stream" if method.server_streaming else "Unary"
            )
            yield f"    {method.name}: aio.{call}MultiCallable[{asked}, {answered}]"
        yield f"\nclass {service.name}Servicer:"
        for method in service.method:
            asked, answered = message_name(method.input_type), message_name(method.output_type)
            taken = f"AsyncIterator[{asked}]" if method.client_streaming else asked
            context = f"aio.ServicerContext[{asked}, {answered}]"
            head, result = (
                ("def", f"AsyncIterator[{answered}]")
                if method.server_streaming
                else ("async def", answered)
            )
            parameters = f"self, request: {taken}, context: {context}"
            yield f"    {head} {method.name}({parameters}) -> {result}: ..."
        yield f"\ndef add_{service.name}Servicer_to_server("
        yield f"    servicer: {service.name}Servicer, server: aio.Server"
        yield ") -> None: ..."


def message_name(full_name: str) -> str:
    """The class of a message of the same file, given its name as ``.package.Message``."""
    return f"_messages.{full_name.rpartition('.')[2]}"


if __name__ == "__main__":
    generate(Path(__file__).parents[2] if len(sys.argv) == 1 else Path(sys.argv[1]))
