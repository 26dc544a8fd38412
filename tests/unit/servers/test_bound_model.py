"""Tensors in, tensors out: how a model's definition is bound, and what its errors become."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.calls import call_with, values
from penstock import CallContext, InferenceRequest, InvalidRequest, Model, Retriable, Shape
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import ModelCall, ModelSpec
from penstock.core.errors import InvalidRequestError, NotReadyError, StepFailedError
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor
from penstock.servers.binding.bound_model import BoundModel

Rows = Annotated[NDArray[np.float32], Shape("n", 2)]


class Routed(TypedDict):
    low: NotRequired[Rows]
    high: NotRequired[Rows]


class Counted(TypedDict):
    y: Annotated[NDArray[np.float32], Shape("n")]
    count: NotRequired[NDArray[np.int32]]


def bound(model: object, *, declared: Signature | None = None) -> BoundModel:
    return BoundModel(model, ModelSpec("m", 3, signature=declared), VirtualClock(1_000.0))


def twice(x):  # type: ignore[no-untyped-def]  # as users write it
    return {"y": x * 2}


class TestParameters:
    def test_a_function(self) -> None:
        assert values(bound(twice).call(call_with(x=[1, 2]))) == {"y": [2.0, 4.0]}

    def test_a_class(self) -> None:
        class Adder(Model):
            def predict(self, a: Any, b: Any) -> Any:
                return {"sum": a + b}

        assert values(bound(Adder()).call(call_with(b=[1], a=[2]))) == {"sum": [3.0]}

    def test_an_object_that_is_called(self) -> None:
        class Negative:
            def __call__(self, x: Any) -> Any:
                return {"y": -x}

        assert values(bound(Negative()).call(call_with(x=[1]))) == {"y": [-1.0]}

    def test_a_partial_function(self) -> None:
        def scaled(x: Rows, factor: Any = None) -> Any:
            return {"y": x * factor}

        model = bound(partial(scaled, factor=3))
        assert values(model.call(call_with(x=[[1, 2]]))) == {"y": [[3.0, 6.0]]}
        assert model.signature is not None

    @pytest.mark.parametrize("given", [{}, {"z": [1]}, {"z": [1], "u": [1]}])
    def test_a_missing_tensor_is_named_with_those_that_came(self, given: dict[str, Any]) -> None:
        came = ", ".join(f"'{name}'" for name in given) or "none"
        with pytest.raises(
            InvalidRequestError, match=f"'m' wants the tensor 'x', which did not come; .*{came}$"
        ):
            bound(twice).call(call_with(**given))

    def test_a_default_makes_a_tensor_optional(self) -> None:
        def either(x: Any, z: Any = None, w: Any = 7) -> Any:
            return {"y": x, "z": z, "w": w}

        model = bound(either)
        assert values(model.call(call_with(x=[1]))) == {"y": [1.0], "w": 7}
        assert values(model.call(call_with(w=[3], z=[2], x=[1])))["z"] == [2.0]

    def test_tensors_that_are_not_named_are_left_out(self) -> None:
        assert values(bound(twice).call(call_with(x=[1], other=[2]))) == {"y": [2.0]}

    def test_two_stars_take_every_tensor(self) -> None:
        def names(x: Any, **tensors: Any) -> Any:
            return {"names": sorted(tensors)}

        others: dict[str, Any] = {"no identifier.": [3]}
        call = call_with(x=[1], b=[2], **others)
        assert values(bound(names).call(call)) == {"names": [b"b", b"no identifier."]}

    def test_two_tensors_find_their_parameters_in_any_order(self) -> None:
        def less(a: Any, b: Any) -> Any:
            return {"y": a - b}

        def keyword_only(*, a: Any, b: Any) -> Any:
            return {"y": a - b}

        for model in (less, keyword_only):
            for call in (call_with(a=[5], b=[3]), call_with(b=[3], a=[5])):
                assert values(bound(model).call(call)) == {"y": [2.0]}

    def test_the_same_name_twice_is_an_error(self) -> None:
        one = Tensor("x", "FP32", (1,), bytes(4))
        call = call_with()
        call.tensors = (one, one)
        with pytest.raises(InvalidRequestError, match="two tensors named 'x'"):
            bound(twice).call(call)

    def test_the_request_raw(self) -> None:
        def raw(request: InferenceRequest) -> Any:
            return {
                "said": [request.id or "", request.model_name, request.model_version],
                "same": request.tensors[0],
            }

        call = call_with(x=[1])
        answer = bound(raw).call(call)
        assert values(answer)["said"] == [b"caller's id", b"m", b"3"]
        assert answer[1].name == "same"
        assert answer[1].raw == call.tensors[0].raw

    def test_the_context_of_the_call(self) -> None:
        seen: list[CallContext] = []

        def told(x: Any, context: CallContext) -> None:
            seen.append(context)

        clock = VirtualClock(1_000.0)
        call = ModelCall(
            "vote", call_with(x=[1]).tensors, call_with().origin, 1_250.0, attempt=2, round=4
        )
        assert BoundModel(told, ModelSpec("m", 1), clock).call(call) == ()
        [context] = seen
        assert (context.identity, context.request_id) == ("01ID", "caller's id")
        assert (context.step, context.round, context.attempt) == ("vote", 4, 2)
        clock.advance(100.0)
        assert context.time_left_ms() == 150.0
        clock.advance(1_000.0)
        assert context.time_left_ms() == 0.0

    def test_inputs_are_read_only_and_the_error_says_what_to_do(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def writes(x: Any) -> Any:
            x += 1

        for array in (np.zeros(2), np.array([b"a", "b"], dtype=object)):
            call = call_with(x=array)
            again = Tensor("x", call.tensors[0].datatype, (2,), bytes(call.tensors[0].raw))
            for tensor in (*call.tensors, again):
                call.tensors = (tensor,)
                with pytest.raises(StepFailedError, match="read-only, so copy what you want"):
                    bound(writes).call(call)

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            (5, "a int is no model"),
            (lambda *x: {}, r"takes '\*x' by position"),
            (lambda x, /: {}, "takes 'x' by position"),
            (abs, "takes 'x' by position"),
            (max, "the parameters of max cannot be read"),
        ],
    )
    def test_definitions_that_cannot_be_called(self, wrong: object, sentence: str) -> None:
        with pytest.raises(InvalidRequestError, match=sentence):
            bound(wrong)

    def test_generators_are_refused(self) -> None:
        def parts(x: Any) -> Any:
            yield x

        with pytest.raises(InvalidRequestError, match="parts yields"):
            bound(parts)


class TestSignature:
    def test_without_annotations_nothing_is_known(self) -> None:
        assert bound(twice).signature is None

    def test_annotations_are_the_signature(self) -> None:
        def route(x: Rows, bias: NDArray[np.float32] | None = None) -> Routed:
            return {"low": x}

        assert bound(route).signature == Signature(
            (TensorSpec("x", "FP32", ("n", 2)), TensorSpec("bias", "FP32", None, optional=True)),
            (
                TensorSpec("low", "FP32", ("n", 2), optional=True),
                TensorSpec("high", "FP32", ("n", 2), optional=True),
            ),
        )

    def test_the_object_may_know_its_own(self) -> None:
        class Loaded(Model):
            signature = Signature((TensorSpec("x", "INT8"),), None)

            def predict(self, **tensors: Any) -> Any:
                return {"y": tensors["x"]}

        model = bound(Loaded())
        assert model.signature == Loaded.signature
        assert values(model.call(call_with(x=[1]))) == {"y": [1.0]}, "nothing is checked by it"

    @pytest.mark.parametrize("extra", [{}, {"other": [1]}])
    @pytest.mark.parametrize(
        ("array", "got"),
        [
            (np.zeros((3, 2)), r"FP64 \[3, 2\]"),
            (np.zeros((3, 2, 1), np.float32), r"FP32 \[3, 2, 1\]"),
            (np.zeros((3, 4), np.float32), r"FP32 \[3, 4\]"),
        ],
    )
    def test_inputs_are_checked(self, array: Any, got: str, extra: dict[str, Any]) -> None:
        def predict(x: Rows) -> Any:
            return {"y": x}

        model = bound(predict)
        fitting = np.zeros((5, 2), np.float32)
        assert len(model.call(call_with(x=fitting, **extra))) == 1
        with pytest.raises(
            InvalidRequestError, match=rf"'m' takes tensor 'x' as FP32 \[n, 2\], and got {got}$"
        ):
            model.call(call_with(x=array, **extra))

    def test_a_named_dimension_is_the_same_wherever_it_stands(self) -> None:
        def predict(a: Rows, b: Rows, c: Rows | None = None) -> Any:
            return {"y": a}

        model = bound(predict)
        two, three = np.zeros((2, 2), np.float32), np.zeros((3, 2), np.float32)
        assert model.call(call_with(a=two, b=two))
        with pytest.raises(InvalidRequestError, match=r"'a' and 'c' differ in .*'n': 2 and 3"):
            model.call(call_with(a=two, b=two, c=three))

    def test_what_the_manifest_declares_is_checked_too(self) -> None:
        declared = Signature((TensorSpec("x", "INT8"),), (TensorSpec("y", "INT8", (1,)),))
        model = bound(twice, declared=declared)
        assert model.signature == declared
        assert values(model.call(call_with(x=np.array([4], np.int8)))) == {"y": [8]}
        with pytest.raises(InvalidRequestError, match="as INT8, and got FP32"):
            model.call(call_with(x=[1]))

    def test_a_declared_tensor_beside_the_named_ones_is_checked(self) -> None:
        def rest(**tensors: Any) -> Any:
            return {}

        model = bound(rest, declared=Signature((TensorSpec("x", "INT8"),)))
        with pytest.raises(InvalidRequestError, match="as INT8, and got FP32"):
            model.call(call_with(x=[1]))


class TestResults:
    @pytest.mark.parametrize("nothing", [None, {}, {"y": None}])
    def test_what_is_left_out_is_absent(self, nothing: Any) -> None:
        assert bound(lambda: nothing).call(call_with()) == ()

    def test_arrays_scalars_lists_and_text(self) -> None:
        result = {
            "array": np.arange(3, dtype=np.uint8),
            "number": 1.5,
            "flags": [True, False],
            "text": "grüß",
            "mixed": ["\N{GREEK SMALL LETTER ALPHA}", b"\xff\x00"],
            "texts": ["a", b"b"],
        }
        answer = bound(lambda: result).call(call_with())
        assert [tensor.datatype for tensor in answer] == ["UINT8", "FP64", "BOOL", *["BYTES"] * 3]
        assert values(answer) == {
            "array": [0, 1, 2],
            "number": 1.5,
            "flags": [True, False],
            "text": "grüß".encode(),
            "mixed": [b"\xce\xb1", b"\xff\x00"],
            "texts": [b"a", b"b"],
        }

    def test_an_array_is_not_copied_and_not_frozen(self) -> None:
        own = np.zeros(4, np.float32)
        [tensor] = bound(lambda: {"y": own}).call(call_with())
        assert np.shares_memory(tensor.array, own)
        assert not tensor.array.flags.writeable
        assert own.flags.writeable

    @pytest.mark.parametrize(
        ("result", "sentence"),
        [
            (np.zeros((2, 3)), r"returned an array \(float64 \[2, 3\]\); return a mapping"),
            ([1, 2], "returned a list; return a mapping"),
            ("text", "returned a str; return a mapping"),
            ({1: [2]}, "returned a tensor named 1: names are str"),
            ({"y": [[1], [1, 2]]}, "no tensor: tensor 'y': the nested lists are ragged"),
            ({"y": object()}, "no tensor: tensor 'y'"),
            ({"y": np.zeros(1, complex)}, "no tensor: tensor 'y': numpy's complex128"),
        ],
    )
    def test_what_is_no_answer_says_what_is_wanted(self, result: Any, sentence: str) -> None:
        with pytest.raises(StepFailedError, match=sentence):
            bound(lambda: result).call(call_with())

    def test_a_coroutine_of_a_plain_function_is_explained(self) -> None:
        async def later() -> Any: ...

        def predict() -> Any:
            return later()

        with pytest.raises(StepFailedError, match="a coroutine; write 'async def predict'"):
            bound(predict).call(call_with())

    def test_outputs_are_as_the_signature_says(self) -> None:
        results: list[Any] = []

        def predict() -> Counted:
            return results[-1]  # type: ignore[no-any-return]  # what each case says

        model = bound(predict)
        results.append({"y": [1, 2.5], "count": 3})
        assert [each.datatype for each in model.call(call_with())] == ["FP32", "INT32"]
        results.append({"count": 2.5})
        with pytest.raises(
            StepFailedError, match=r"returned tensor 'count' as FP64 \[\], and its signature says"
        ):
            model.call(call_with())
        results.append({"y": np.zeros(2)})
        with pytest.raises(StepFailedError, match=r"'y' as FP64 \[2\], .* says FP32 \[n\]$"):
            model.call(call_with())
        results.append({"count": 2**40})
        with pytest.raises(StepFailedError, match=r"no tensor: .*out of bounds"):
            model.call(call_with())


class TestErrors:
    @pytest.mark.parametrize("error", [InvalidRequest("no dogs"), Retriable("come back later")])
    def test_its_own_words_pass(self, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
        def refuses() -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            bound(refuses).call(call_with())
        assert caught.value is error
        assert not caplog.records

    def test_retriable_is_not_ready(self) -> None:
        assert (Retriable("x").code, Retriable("x").retriable) == ("not-ready", True)
        assert isinstance(Retriable("x"), NotReadyError)
        assert InvalidRequest("x").code == "invalid-request"

    @pytest.mark.parametrize(
        "error", [ValueError("no"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()]
    )
    def test_anything_else_is_step_failed_and_its_traceback_is_logged(
        self, error: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fails() -> None:
            raise error

        with pytest.raises(StepFailedError, match=f"^model 'm' raised {type(error).__name__}"):
            bound(fails).call(call_with(step="vote"))
        [record] = caplog.records
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None
        assert (record.__dict__["request"], record.__dict__["step"]) == ("01ID", "vote")

    def test_a_long_text_is_shortened(self, caplog: pytest.LogCaptureFixture) -> None:
        def fails() -> None:
            raise ValueError("x" * 100_000)

        with pytest.raises(StepFailedError) as caught:
            bound(fails).call(call_with())
        assert len(caught.value.message) < 1_100

    async def test_async_models_alike(self, caplog: pytest.LogCaptureFixture) -> None:
        async def picky(x: Any) -> Any:
            if x[0] < 0:
                raise InvalidRequest("negative")
            if x[0] > 1:
                raise asyncio.CancelledError
            return {"y": x}

        model = bound(picky)
        assert model.is_async
        assert values(await model.call_async(call_with(x=[1]))) == {"y": [1.0]}
        with pytest.raises(InvalidRequest, match="negative"):
            await model.call_async(call_with(x=[-1]))
        with pytest.raises(StepFailedError, match="CancelledError"):
            await model.call_async(call_with(x=[2]))

    async def test_being_cancelled_passes(self) -> None:
        begun = asyncio.Event()

        async def hangs() -> None:
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(bound(hangs).call_async(call_with()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
