"""What the server says of itself and of what it serves."""

from __future__ import annotations

import grpc

from fakes.control import resource
from harness.grpc_rig import Rig, failure_of
from penstock.core.errors import NotReadyError
from penstock.core.signature import Signature, TensorSpec
from penstock.proto import open_inference_pb2 as v2


async def test_server_and_model_tell_of_themselves(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    target.signature = Signature((TensorSpec("x", "FP32", ("n", 4)), TensorSpec("y")), None)
    assert (await rig.v2.ServerLive(v2.ServerLiveRequest())).live
    assert (await rig.v2.ServerReady(v2.ServerReadyRequest())).ready
    server = await rig.v2.ServerMetadata(v2.ServerMetadataRequest())
    assert (server.name, list(server.extensions)) == ("fake", ["binary_tensor_data"])
    model = await rig.v2.ModelMetadata(v2.ModelMetadataRequest(name="echo"))
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [
        ("x", "FP32", [-1, 4]),
        ("y", "", [-1]),
    ]
    assert not model.outputs
    index = await rig.v2.RepositoryIndex(v2.RepositoryIndexRequest())
    assert [(m.name, m.version, m.state) for m in index.models] == [("echo", "1", "READY")]


async def test_readiness_of_a_model(rig: Rig) -> None:
    target = rig.gateway.add("echo")
    assert (await rig.v2.ModelReady(v2.ModelReadyRequest(name="echo", version="1"))).ready
    target.not_ready = NotReadyError("it loads")
    assert not (await rig.v2.ModelReady(v2.ModelReadyRequest(name="echo"))).ready
    error = await failure_of(rig.v2.ModelReady(v2.ModelReadyRequest(name="nobody")))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    error = await failure_of(rig.v2.ModelMetadata(v2.ModelMetadataRequest(name="echo")))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "it loads")


async def test_the_repository_loads_and_unloads(rig: Rig) -> None:
    rig.control.put(resource("Model", "m"))
    await rig.v2.RepositoryModelLoad(v2.RepositoryModelLoadRequest(model_name="m"))
    await rig.v2.RepositoryModelUnload(v2.RepositoryModelUnloadRequest(model_name="m"))
    assert rig.control.repository == [("load", "m"), ("unload", "m")]


async def test_what_the_repository_refuses(rig: Rig) -> None:
    error = await failure_of(
        rig.v2.RepositoryModelLoad(v2.RepositoryModelLoadRequest(model_name="m"))
    )
    assert error.code() is grpc.StatusCode.NOT_FOUND
    request = v2.RepositoryModelUnloadRequest(model_name="m")
    request.parameters["unload_dependents"].bool_param = True
    error = await failure_of(rig.v2.RepositoryModelUnload(request))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "take no parameters here" in (error.details() or "")
