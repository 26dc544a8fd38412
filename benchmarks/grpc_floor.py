"""The floor: a bare grpc.aio server that does by hand what the benchmark's pipelines do.

One process, uvloop, protobuf's own messages, numpy; nothing checked. It speaks as much of V2 as the
benchmark sends: one tensor with raw contents. It keeps its memory as Penstock does, without which
it answers a third of the large requests.

    python benchmarks/grpc_floor.py PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import numpy as np
import uvloop

from penstock.core.runtime.memory import keep_freed_memory
from penstock.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse

DTYPES = {"INT32": np.int32, "FP32": np.float32}


def model(x: Any) -> Any:
    """One model."""
    return x + 1


def chain(x: Any) -> Any:
    """Three models, one after the other."""
    return x + 1 + 1 + 1


def diamond(x: Any) -> Any:
    """Two models on the same input, and a third on what they made."""
    return (x + 1) + (x + x)


WORK = {"one": model, "chain": chain, "diamond": diamond}


async def infer(request: ModelInferRequest, context: Any) -> ModelInferResponse:
    """Answer one request."""
    given = request.inputs[0]
    x = np.frombuffer(request.raw_input_contents[0], DTYPES[given.datatype]).reshape(given.shape)
    y = WORK[request.model_name](x)
    response = ModelInferResponse(
        model_name=request.model_name,
        model_version="1",
        id=request.id,
        raw_output_contents=[y.tobytes()],
    )
    response.outputs.add(name="y", datatype=given.datatype, shape=y.shape)
    return response


async def main(port: int) -> None:
    """Serve until the process is ended."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    method = grpc.unary_unary_rpc_method_handler(
        infer, ModelInferRequest.FromString, ModelInferResponse.SerializeToString
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "inference.GRPCInferenceService", {"ModelInfer": method}
            ),
        )
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    keep_freed_memory()
    uvloop.run(main(int(sys.argv[1])))
