"""What does not leave the server: the rule for every redactor, and the built-in one."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.core.cases import Case, CaseExporter, read_case, write_case
from penstock.core.contracts.redactor import Redactor, TensorPlace, Withheld
from penstock.core.errors import InternalError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import PortRecord, Story
from penstock.core.parameters import Scalar
from penstock.core.records import Port
from penstock.core.tensors import Tensor
from penstock.plugins.redaction import NamedRedactor, RedactionOptions

CARD = Tensor.from_numpy("card", np.array([["4111", "4111", "5500"]], object))
AGE = Tensor.from_numpy("age", np.array([41.0], np.float32), {"unit": "years"})
OPEN = Tensor.from_numpy("open", np.array([1], np.int32))
SCORE = Tensor.from_numpy("score", np.array([0.5]))


def exported(**redactors: Redactor) -> tuple[Case, bytes]:
    headers = {"x-request-id": "mine", "x-tenant": "acme"}
    story = Story(
        "r", "p", 1, InferenceRequest(None, (CARD, AGE, OPEN), {"secret": 1, "k": 2}), headers,
        0.0, 1.0, asynchronous=False,
    )  # fmt: skip
    story.add(PortRecord(Port(None, "inputs"), 0, 0.0, (CARD, AGE, OPEN)))
    # The same data under another name, as a rename makes it.
    story.add(PortRecord(Port("a", "inputs"), 0, 0.0, (CARD.renamed("c"), AGE.renamed("b"))))
    # And what a model gives back as it got it.
    echo = Tensor.from_numpy("echo", AGE.array)
    story.settle(InferenceResponse("p", "1", None, (SCORE, echo)), 1.0)
    story.end(1.0)
    data = write_case(CaseExporter(lambda kind, name: None, redactors, {}).case(story, []))
    return read_case(data, "x.penstock"), data


def built_in(**options: object) -> NamedRedactor:
    return NamedRedactor(RedactionOptions.model_validate({"salt": "s", **options}))


def tensors_of(case: Case, number: int) -> dict[str, Tensor]:
    return {tensor.name: tensor for tensor in case.story.records[number].body}  # type: ignore[union-attr,misc]  # values


def test_without_options_everything_is_there() -> None:
    case, _ = exported(redaction=built_in())
    assert tensors_of(case, 0) == {"card": CARD, "age": AGE, "open": OPEN}
    assert case.withheld == []


def test_dropped_contents_are_gone_under_every_name() -> None:
    case, data = exported(redaction=built_in(drop=["card", "a?e"]))
    assert tensors_of(case, 0)["card"].tobytes() == b""
    assert tensors_of(case, 1)["c"].tobytes() == b""
    assert tensors_of(case, 1)["b"].tobytes() == b""
    assert tensors_of(case, 0)["open"] == OPEN
    assert isinstance(case.story.result, InferenceResponse)
    assert [each.tobytes() for each in case.story.result.tensors] == [SCORE.tobytes(), b""]
    # Nor are they anywhere else in the file, packed or not.
    assert b"4111" not in data
    notes = {(str(each.port), each.tensor, each.note) for each in case.withheld}
    assert notes == {
        ("inputs", "card", "dropped"), ("inputs", "age", "dropped"), ("a.inputs", "c", "dropped"),
        ("a.inputs", "b", "dropped"), ("outputs", "echo", "dropped"),
    }  # fmt: skip


def test_digests_tell_equal_ones() -> None:
    case, _ = exported(redaction=built_in(hash=["card", "age"]))
    card = tensors_of(case, 0)["card"]
    assert (card.datatype, card.shape) == ("BYTES", (1, 3))
    first, second, third = card.array.ravel()
    assert first == second != third
    assert len(first) == 32
    assert tensors_of(case, 1)["c"].tobytes() == card.tobytes()
    age = tensors_of(case, 0)["age"]
    assert (age.tobytes(), age.parameters) == (b"", {"unit": "years"})
    note = next(each.note for each in case.withheld if each.tensor == "age")
    assert note.startswith("hmac-sha256:")
    other, _ = exported(redaction=built_in(hash=["card"], salt="another"))
    assert tensors_of(other, 0)["card"] != card


def test_without_a_salt_each_process_has_its_own() -> None:
    one, other = (exported(r=NamedRedactor(RedactionOptions(hash=("card",))))[0] for _ in range(2))
    assert tensors_of(one, 0)["card"] != tensors_of(other, 0)["card"]


def test_headers_are_left_out() -> None:
    case, _ = exported(redaction=built_in(headers=["x-t*"]))
    assert case.story.headers == {"x-request-id": "mine"}


class Doubling(Redactor):
    """Writes other numbers, and leaves parameters out."""

    def redact(self, tensor: Tensor, place: TensorPlace) -> Tensor | Withheld:
        if tensor.datatype == "BYTES":
            return tensor
        return Tensor.from_numpy(tensor.name, tensor.array * 2)

    def redact_parameter(self, name: str, value: Scalar) -> Scalar | None:
        return None if name in ("secret", "unit") else value


def test_redactors_follow_each_other() -> None:
    case, _ = exported(a=Doubling(), b=Doubling(), c=built_in(drop=["open"]))
    assert tensors_of(case, 0)["age"].array.tolist() == [164.0]
    assert tensors_of(case, 1)["b"].array.tolist() == [164.0]
    assert tensors_of(case, 0)["age"].parameters == {}
    assert tensors_of(case, 0)["open"].tobytes() == b""
    assert case.story.request.parameters == {"k": 2}


class Broken(Redactor):
    """Raises, or makes a tensor of another name."""

    def __init__(self, made: object) -> None:
        self._made = made

    def redact(self, tensor: Tensor, place: TensorPlace) -> Tensor | Withheld:
        if isinstance(self._made, Exception):
            raise self._made
        return self._made  # type: ignore[return-value]  # that is what is tested


@pytest.mark.parametrize("made", [RuntimeError("no"), None, OPEN, "text"])
def test_an_error_of_a_redactor_refuses_the_export_and_names_it(made: object) -> None:
    with pytest.raises(InternalError, match="the redactor 'mine' failed, so nothing is exported"):
        exported(mine=Broken(made))
