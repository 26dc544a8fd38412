"""Any pipeline whose edges are made to fit is accepted, and whatever edge is broken is found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.core.port_types import infer_types
from penstock.core.resources import Pipeline
from penstock.core.signature import Dimension, Signature, TensorSpec

DATATYPES = ("FP32", "FP64", "INT64", "BYTES")

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
datatypes = st.sampled_from(DATATYPES)


@dataclass
class Made:
    """A pipeline, the signatures of its models, and the tensors of its input."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    signatures: dict[str, Signature] = field(default_factory=dict)
    request: tuple[TensorSpec, ...] = ()

    def sentences(self) -> list[str]:
        pipeline = Pipeline.model_validate(
            {"metadata": {"name": "p"}, "spec": {"steps": self.steps}}
        )
        return infer_types(pipeline, self.signatures.get).sentences


def tensors(prefix: str) -> st.SearchStrategy[tuple[TensorSpec, ...]]:
    """Some tensors that are known in full, of names that no other step has."""
    types = st.lists(st.tuples(datatypes, shapes), min_size=1, max_size=3)
    return types.map(
        lambda made: tuple(
            TensorSpec(f"{prefix}{index}", datatype, shape)
            for index, (datatype, shape) in enumerate(made)
        )
    )


@st.composite
def wishes(draw: st.DrawFn, given: TensorSpec, name: str) -> TensorSpec:
    """What a model may want that is given such a tensor: the same, or less."""
    shape: tuple[Dimension, ...] | None = given.shape
    if shape is not None:
        if draw(st.booleans()):
            # Lengths of one number may have one name, in the same tensor and in others.
            named = [st.sampled_from([size, None, f"n{size}"]) for size in shape]
            shape = tuple(map(draw, named))
        elif draw(st.integers(0, 4)) == 0:
            shape = None
    datatype = given.datatype if draw(st.integers(0, 4)) else None
    return TensorSpec(name, datatype, shape, draw(st.booleans()))


@st.composite
def pipelines(draw: st.DrawFn) -> Made:
    """Steps that read the input or earlier steps, by port or by tensor, renamed or not."""
    made = Made(request=draw(tensors("i")))
    ports = {"p": made.request}
    for index in range(draw(st.integers(1, 5))):
        name = f"s{index}"
        sources = draw(st.lists(st.sampled_from(sorted(ports)), min_size=1, unique=True))
        references, renames, wanted = [], {}, []
        for source in sources:
            port = f"{source}.{'inputs' if source == 'p' else 'outputs'}"
            whole = draw(st.booleans())
            references += [source] if whole else [f"{port}.{each.name}" for each in ports[source]]
            for tensor in ports[source]:
                new = tensor.name
                if draw(st.booleans()):
                    new = renames[f"{port}.{tensor.name}"] = f"{tensor.name}_renamed"
                # By name it is wanted of the input even if the model has no use for it.
                if source == "p" or draw(st.booleans()):
                    wanted.append(draw(wishes(tensor, new)))
        outputs = draw(tensors(f"{name}_"))
        made.steps.append({"name": name, "inputs": references, "tensorMap": renames})
        made.signatures[name] = Signature(tuple(wanted), outputs)
        ports[name] = outputs
    return made


@given(pipelines())
def test_a_pipeline_whose_edges_fit_is_accepted(made: Made) -> None:
    assert made.sentences() == []


@given(pipelines())
def test_its_input_is_what_its_steps_want(made: Made) -> None:
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": {"steps": made.steps}})
    signature = infer_types(pipeline, made.signatures.get).signature
    assert signature is not None
    assert signature.inputs is not None
    assert {each.name for each in signature.inputs} <= {each.name for each in made.request}
    known = {each.name: each for each in made.request}
    for each in signature.inputs:
        assert each.datatype in (None, known[each.name].datatype)


@st.composite
def broken(draw: st.DrawFn, wanted: TensorSpec, inputs: list[str]) -> TensorSpec:
    """The same tensor, wanted in a way in which no source of these brings it."""
    kinds = ["datatype", "rank", "length"]
    # What no other source brings is wanted of the pipeline's input, where that is read whole.
    kind = draw(st.sampled_from(kinds if "p" in inputs else [*kinds, "name"]))
    if kind == "datatype":
        return replace(wanted, datatype="BOOL")
    if kind == "rank":
        return replace(wanted, shape=(None,) * 7)
    if kind == "length":
        return replace(wanted, shape=(None,) * (len(wanted.shape or ()) - 1) + (100,))
    return replace(wanted, name="nothing-like-it", optional=False)


@given(st.data())
def test_an_edge_that_is_broken_is_found(data: st.DataObject) -> None:
    made = data.draw(pipelines())
    edges = [
        (step["name"], step["inputs"], place)
        for step in made.steps
        for place, wanted in enumerate(made.signatures[step["name"]].inputs or ())
        if wanted.shape and wanted.name.startswith("s")
    ]
    assume(edges)
    name, reads, place = data.draw(st.sampled_from(edges))
    before = made.signatures[name]
    assert before.inputs is not None
    wrong = data.draw(broken(before.inputs[place], reads))
    inputs = (*before.inputs[:place], wrong, *before.inputs[place + 1 :])
    made.signatures[name] = replace(before, inputs=inputs)

    said = made.sentences()

    assert any(f"step '{name}' wants " in each and f"'{wrong.name}'" in each for each in said), said
    made.signatures[name] = before
    assert made.sentences() == []


@given(pipelines(), st.data())
def test_across_a_model_of_which_nothing_is_known_nothing_is_found(
    made: Made, data: st.DataObject
) -> None:
    del made.signatures[data.draw(st.sampled_from(sorted(made.signatures)))]
    assert made.sentences() == []
