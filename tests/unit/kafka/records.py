"""Records of every kind, for tests of messages."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.tensors import names, parameters, tensors
from penstock.core.contracts.transport import REMOVED
from penstock.core.records import Absent, Body, Failed, Port, Record
from penstock.core.tensors import Tensor

INPUTS = "penstock.default.pipeline.p.inputs"
OUTPUTS = "penstock.default.pipeline.p.outputs"
TOPICS = (
    INPUTS,
    OUTPUTS,
    "penstock.default.pipeline.p.step.a.inputs",
    "penstock.default.pipeline.p.step.a.outputs",
    "penstock.default.pipeline.step.inputs",
    "penstock.default.pipeline.p.externals",
    "penstock.default.pipeline.p.state.a",
    "penstock.default.model.m.outputs",
    "penstock.default.deadletters",
    "s",
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
resource_names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,8}[A-Za-z0-9])?", fullmatch=True)
ports = st.builds(Port, st.none() | resource_names, st.sampled_from(["inputs", "outputs"]))
markers: st.SearchStrategy[Absent | Failed] = st.one_of(
    st.just(REMOVED),
    st.builds(Absent, texts, texts),
    st.builds(
        Failed,
        texts,
        texts,
        st.none() | resource_names,
        st.booleans(),
        st.integers(1, 100),
    ),
)
others = st.dictionaries(names.map("x-{}".format), texts, max_size=3)
"""Headers that are nobody's."""


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    called = draw(st.lists(names, unique=True, min_size=1, max_size=3))
    held = tuple(draw(tensors(st.just(name))) for name in called)
    return draw(markers | st.just(held))


records = st.builds(
    Record,
    texts,
    st.binary(max_size=12),
    st.just("") | resource_names,
    st.integers(0, 10**18 - 1),
    ports,
    st.integers(0, 1_000),
    bodies(),
    parameters,
    others,
    st.floats(0.0, 1e15) | st.just(float("inf")),
    st.none() | names,
    st.none(),
)


def an_input(**changes: object) -> Record:
    """A request with one tensor, as a gateway writes it, with these fields."""
    record = Record(
        "01JD0000000000000000000000",
        b"k",
        "p",
        3,
        Port(None, "inputs"),
        0,
        (Tensor("x", "INT32", (2,), b"\1\0\0\0\2\0\0\0"),),
        {},
        {},
        1_795_869_415_021.5,
    )
    return record._replace(**changes)  # type: ignore[arg-type]  # fields of a record


def alike(record: Record, other: Record) -> bool:
    """Equal, also in the parameters of tensors, which those do not compare."""
    return record == other and _tensor_parameters(record) == _tensor_parameters(other)


def _tensor_parameters(record: Record) -> list[dict[str, object]]:
    body = record.body
    return [] if isinstance(body, Absent | Failed) else [dict(each.parameters) for each in body]
