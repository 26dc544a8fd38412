"""What gRPC reflection shows: the services of every descriptor pool in one."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool


def reflection_pool(files: Iterable[FileDescriptor]) -> DescriptorPool:
    """A pool that holds ``files`` and all that they import, whichever pool they live in.

    For ``grpc_reflection``, whose servicer takes one pool, while the Open Inference Protocol has
    one of its own (see :mod:`penstock.proto.generate`).
    """
    pool = DescriptorPool()
    added: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for imported in file.dependencies:
            add(imported)
        pool.AddSerializedFile(file.serialized_pb)

    for file in files:
        add(file)
    return pool
