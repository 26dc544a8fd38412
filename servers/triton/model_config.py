"""``config.pbtxt``: how Triton is told of a model, in the text format of protocol buffers.

Source: Triton's documentation, "Model Configuration"; grammar of the text:
https://protobuf.dev/reference/protobuf/textformat-spec/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import TensorSpec
from penstock.servers.triton.recipe import BACKENDS

_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<word>[\w.+-]+)|(?P<sign>[{}<>\[\]:,;/])""",
)


def renamed(config: str, name: str) -> str:
    """The configuration of a model that Triton is to know as ``name``; all else as it was.

    Raises InvalidRequestError for a text that is none.
    """
    kept, end = [], 0
    for start, stop in _names(config):
        kept.append(config[end:start])
        end = stop
    return f"name: {quoted(name)}\n{''.join(kept)}{config[end:]}"


def config_of(spec: ModelSpec, name: str) -> str:
    """The configuration of a model that has none, from what its manifest says. Triton finds out
    the rest from its files.

    Raises InvalidRequestError for a signature that cannot be written there.
    """
    lines = [f"name: {quoted(name)}"]
    backends = [backend for backend, word in BACKENDS.items() if word in spec.requirements]
    if len(backends) == 1:
        lines.append(f"backend: {quoted(backends[0])}")
    signature = spec.signature
    if signature is not None:
        lines += [_tensor("input", each, spec.name) for each in signature.inputs or ()]
        lines += [_tensor("output", each, spec.name) for each in signature.outputs or ()]
    if spec.concurrency is not None:
        lines.append(f"instance_group {{ count: {spec.concurrency} kind: KIND_CPU }}")
    return "\n".join(lines) + "\n"


def with_parameters(config: str, parameters: Mapping[str, Any]) -> str:
    """The configuration with a manifest's parameters, which win: the last of a key does. Text
    stays as it is, and everything else is written as JSON."""
    lines = [config.rstrip("\n")]
    for key, value in parameters.items():
        text = value if isinstance(value, str) else json.dumps(value)
        lines.append(
            f"parameters {{ key: {quoted(key)} value {{ string_value: {quoted(text)} }} }}"
        )
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text as the format writes it."""
    return json.dumps(text, ensure_ascii=False)


def _tensor(side: str, tensor: TensorSpec, model: str) -> str:
    if tensor.datatype is None or tensor.shape is None:
        raise InvalidRequestError(
            f"model '{model}' declares '{tensor.name}' as {tensor.type_text}, and Triton wants "
            "datatype and shape of each tensor; declare both, or write them into config.pbtxt"
        )
    sizes = ", ".join(map(str, tensor.metadata_shape()))
    # BYTES are Triton's only datatype of another name.
    datatype = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    optional = " optional: true" if tensor.optional and side == "input" else ""
    return (
        f"{side} {{ name: {quoted(tensor.name)} data_type: TYPE_{datatype} "
        f"dims: [ {sizes} ]{optional} }}"
    )


def _names(config: str) -> Iterator[tuple[int, int]]:
    """Where the model's name stands: the field of that name that is in no other field."""
    depth, start = 0, None
    for kind, text, begin, end in _tokens(config):
        if start is not None and (text == ":" or kind == "text"):
            if kind == "text":
                yield start, end
                start = None
            continue
        start = None
        if text in ("{", "<", "["):
            depth += 1
        elif text in ("}", ">", "]"):
            depth -= 1
        elif depth == 0 and text == "name":
            start = begin


def _tokens(config: str) -> Iterator[tuple[str, str, int, int]]:
    position = 0
    while position < len(config):
        match = _TOKEN.match(config, position)
        if match is None:
            line = config.count("\n", 0, position) + 1
            raise InvalidRequestError(
                f"config.pbtxt, line {line}, is not in the text format of protocol buffers"
            )
        position = match.end()
        if match.lastgroup != "skip":
            assert match.lastgroup is not None, "every alternative has a name"
            yield match.lastgroup, match.group(), match.start(), match.end()
