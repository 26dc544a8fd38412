"""Hypothesis strategies for tensors of every datatype, and what surrounds them."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st

from penstock.core.datatypes import DATATYPES
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.parameters import Scalar
from penstock.core.tensors import Tensor

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


scalars: st.SearchStrategy[Scalar] = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    names,
)

parameters = st.dictionaries(names.map("x.{}".format), scalars, max_size=3)
"""Parameters of the user's own: the prefix keeps them apart from those that mean something."""


@st.composite
def tensors(
    draw: st.DrawFn,
    name: st.SearchStrategy[str] = names,
    *,
    finite: bool = False,
    text: bool = False,
) -> Tensor:
    """A tensor; ``finite`` and ``text`` keep to what plain JSON can hold."""
    datatype = DATATYPES[draw(st.sampled_from(sorted(DATATYPES)))]
    shape = draw(shapes)
    size = prod(shape)
    if datatype.name == "BYTES":
        element = names.map(str.encode) if text else st.binary(max_size=8)
        elements = np.empty(size, dtype=object)
        elements[:] = draw(st.lists(element, min_size=size, max_size=size))
        tensor = Tensor.from_numpy(draw(name), elements.reshape(shape))
    else:
        width = size * datatype.itemsize
        raw = draw(st.binary(min_size=width, max_size=width))
        if datatype.name == "BOOL":
            raw = bytes(byte & 1 for byte in raw)
        array = np.frombuffer(raw, datatype.dtype)
        if finite and datatype.name.startswith(("FP", "BF")):
            with np.errstate(invalid="ignore"):  # signalling NaN
                array = np.where(np.isfinite(array), array, np.zeros_like(array))
        tensor = Tensor.from_numpy(draw(name), array.reshape(shape))
    assert tensor.datatype == datatype.name
    given_parameters = draw(parameters)
    return Tensor(tensor.name, tensor.datatype, shape, tensor.array, given_parameters or None)


@st.composite
def requests(draw: st.DrawFn, *, finite: bool = False, text: bool = False) -> InferenceRequest:
    wanted = draw(st.lists(names, unique=True, max_size=2))
    outputs = tuple(
        RequestedOutput(name, draw(st.none() | st.booleans()), draw(parameters)) for name in wanted
    )
    unique = draw(st.lists(names, unique=True, max_size=3))
    return InferenceRequest(
        draw(st.none() | names),
        tuple(draw(tensors(st.just(name), finite=finite, text=text)) for name in unique),
        draw(parameters),
        outputs or None,
        draw(st.booleans()),
    )


@st.composite
def responses(draw: st.DrawFn, *, finite: bool = False, text: bool = False) -> InferenceResponse:
    return InferenceResponse(
        draw(names),
        draw(st.sampled_from(["", "1", "17"])),
        draw(st.none() | names),
        tuple(draw(st.lists(tensors(finite=finite, text=text), max_size=3))),
        draw(parameters),
    )
