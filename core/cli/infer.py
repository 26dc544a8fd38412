"""``penstock infer``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.request_options import headers_of, request_options
from penstock.core.cli.tensor_files import save_tensors
from penstock.core.cli.tensor_words import inputs_of
from penstock.core.client.inference import infer_over_grpc, infer_over_rest
from penstock.core.client.remote_server import RemoteServer
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.tensors import Tensor

if TYPE_CHECKING:
    from rich.text import Text

SHOWN: Final = 8
"""Elements of a BYTES tensor that are printed; of numbers twice as many."""


@click.command("infer")
@request_options
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds.",
)
@click.option(
    "--save", type=click.Path(path_type=Path), help="Write the outputs to a .npz or .npy file."
)
@output_option
def infer_command(
    target: str,
    data: str | None,
    tensors: tuple[str, ...],
    over_grpc: bool,
    server: RemoteServer,
    headers: tuple[str, ...],
    timeout: float,
    save: Path | None,
) -> None:
    """Send one request to TARGET (a name, or with .model or .pipeline behind it).

    DATA is a V2 request as JSON, @FILE with one, a .npy or .npz file, or - for standard input.
    """
    request = inputs_of(data, tensors, sys.stdin.buffer)
    infer = infer_over_grpc if over_grpc else infer_over_rest
    response = infer(server, target, request, headers=headers_of(headers), timeout_s=timeout)
    if save is not None:
        save_tensors(save, response.tensors)
    _print(Output.current(), response, request)


def _print(output: Output, response: InferenceResponse, request: InferenceRequest) -> None:
    if output.is_json:
        from penstock.core.codecs.json import encode_response

        plain = InferenceRequest(request.id, (), {})
        text, _ = encode_response(response, plain)
        click.echo(text)
        return
    from rich.text import Text

    title = Text(response.model_name, style="bold")
    output.console.print(title.append(f" version {response.model_version}", style="default"))
    output.table(("tensor", "datatype", "shape", "contents"), map(_row, response.tensors))


def _row(tensor: Tensor) -> tuple[Text, str, Text, Text]:
    from rich.text import Text

    shape = ", ".join(map(str, tensor.shape))
    return Text(tensor.name), tensor.datatype, Text(f"[{shape}]"), Text(_contents(tensor))


def _contents(tensor: Tensor) -> str:
    """The contents, or the beginning and the end of them where there are many."""
    if tensor.datatype == "BYTES":
        words = [element.decode("utf-8", "replace") for element in tensor.array.ravel()[:SHOWN]]
        return ", ".join(words) + (", ..." if tensor.array.size > len(words) else "")
    import numpy as np

    return np.array2string(tensor.array, threshold=2 * SHOWN, precision=6)
