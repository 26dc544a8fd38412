"""What a manifest declares of a model's tensors, brought together with what its code says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from penstock.core.errors import InvalidRequestError
from penstock.core.nearest import did_you_mean
from penstock.core.signature import Dimension, Signature, TensorSpec
from penstock.servers.binding.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Agreement:
    """What holds for a model: the signature it is served with, and what calls are checked by."""

    signature: Signature | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] | None
    warnings: tuple[str, ...] = ()


def agree(predictor: Predictor, declared: Signature | None) -> Agreement:
    """Bring the two together; where both say something, it must be the same.

    Raises InvalidRequestError with a sentence that shows both ends.
    """
    own = predictor.signature
    inputs = {each.name: each for each in predictor.tensors.values()}
    warnings: list[str] = []
    served_inputs = own.inputs
    if declared is not None and declared.inputs is not None:
        served_inputs, warnings = _inputs(predictor, declared.inputs)
        inputs |= {each.name: each for each in served_inputs}
    outputs = own.outputs
    if declared is not None and declared.outputs is not None:
        outputs = _side("output", own.outputs, declared.outputs)
    known = served_inputs is not None or outputs is not None
    signature = Signature(served_inputs, outputs) if known else None
    return Agreement(signature, tuple(inputs.values()), outputs, tuple(warnings))


def served_signature(model: object, agreement: Agreement) -> Signature | None:
    """The signature for metadata: what holds, else what the model says of itself, unchecked."""
    if agreement.signature is not None:
        return agreement.signature
    known = getattr(model, "signature", None)
    return known if isinstance(known, Signature) else None


def agree_with_server(own: Signature, declared: Signature | None) -> Signature | None:
    """The same for a model that runs elsewhere, of which ``own`` is what its server says.

    V2 does not tell which inputs may be missing: where a manifest declares inputs, those that it
    leaves out may be. None when nothing is known.
    """
    inputs, outputs = own.inputs, own.outputs
    if declared is not None and declared.inputs is not None:
        named = _side("input", own.inputs, declared.inputs)
        names = _names(named)
        others = [replace(each, optional=True) for each in inputs or () if each.name not in names]
        inputs = (*named, *others)
    if declared is not None and declared.outputs is not None:
        outputs = _side("output", own.outputs, declared.outputs)
    return None if inputs is None and outputs is None else Signature(inputs, outputs)


def _inputs(
    predictor: Predictor, declared: Iterable[TensorSpec]
) -> tuple[tuple[TensorSpec, ...], list[str]]:
    merged, warnings = [], []
    for spec in declared:
        own = predictor.tensors.get(spec.name)
        if own is not None:
            merged.append(_merged("input", spec, own, optional=own.optional))
        elif predictor.takes_any:
            merged.append(spec)
        else:
            hint = did_you_mean(spec.name, predictor.tensors)
            warnings.append(
                f"the manifest declares the input '{spec.name}', which no parameter of the model "
                f"takes: it is left out{f'; {hint}' if hint else ''}"
            )
    names = {each.name for each in merged}
    for name, own in predictor.tensors.items():
        if not own.optional and name not in names:
            raise InvalidRequestError(
                f"the model wants the tensor '{name}', and the manifest declares inputs without "
                f"it; add it to spec.inputs{_or_nothing(did_you_mean(name, _names(declared)))}"
            )
    return tuple(merged), warnings


def _side(
    side: str, own: tuple[TensorSpec, ...] | None, declared: Iterable[TensorSpec]
) -> tuple[TensorSpec, ...]:
    """What is declared of one side, each tensor of which the model has, where that is known."""
    if own is None:
        return tuple(declared)
    by_name = {each.name: each for each in own}
    merged = []
    for spec in declared:
        known = by_name.get(spec.name)
        if known is None:
            raise InvalidRequestError(
                f"the manifest declares the {side} '{spec.name}', which the model does "
                f"not have{_or_nothing(did_you_mean(spec.name, by_name))}"
            )
        merged.append(_merged(side, spec, known, optional=spec.optional or known.optional))
    return tuple(merged)


def _merged(side: str, declared: TensorSpec, own: TensorSpec, *, optional: bool) -> TensorSpec:
    datatypes = {declared.datatype, own.datatype} - {None}
    if len(datatypes) > 1 or not _shapes_agree(declared.shape, own.shape):
        raise InvalidRequestError(
            f"the manifest declares the {side} '{own.name}' as {declared.type_text}, and the "
            f"model itself says {own.type_text}"
        )
    shape = own.shape if declared.shape is None else declared.shape
    if declared.shape is not None and own.shape is not None:
        shape = tuple(map(_closer, declared.shape, own.shape))
    return TensorSpec(own.name, declared.datatype or own.datatype, shape, optional)


def _shapes_agree(one: tuple[Dimension, ...] | None, other: tuple[Dimension, ...] | None) -> bool:
    if one is None or other is None:
        return True
    return len(one) == len(other) and all(map(_may_be_equal, one, other))


def _may_be_equal(one: Dimension, other: Dimension) -> bool:
    return not (isinstance(one, int) and isinstance(other, int)) or one == other


def _closer(one: Dimension, other: Dimension) -> Dimension:
    """Of two dimensions that may be equal, the one that says more."""
    return min(one, other, key=lambda size: (size is None, isinstance(size, str)))


def _names(specs: Iterable[TensorSpec]) -> list[str]:
    return [spec.name for spec in specs]


def _or_nothing(hint: str | None) -> str:
    return f"; {hint}" if hint else ""
