"""Which models can be called for several requests at once, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.core.manifests.findings import Finding
from penstock.core.port_types.reading import Reader
from penstock.core.problems import KeyPath
from penstock.core.resources import Pipeline, Step
from penstock.core.signature import TensorSpec

LEAVE_BATCH_OUT = "leave batch out at this step"


def findings_of_batches(
    pipeline: Pipeline, readers: Sequence[Reader], *, loaded: bool
) -> Iterator[Finding]:
    """What is wrong with the models of steps that batch.

    ``readers`` begin with the steps of the pipeline, in order. With ``loaded``, what is not known
    of a model is not declared.
    """
    for step, reader in zip(pipeline.spec.steps, readers, strict=False):
        if step.batch is None or step.batch.size is None:
            continue
        path = (*reader.path, "batch")
        outputs = reader.signature.outputs
        if outputs is None and loaded:
            yield Finding(
                path,
                f"step '{step.name}' batches calls of model '{step.model_name}', which does not "
                "declare its outputs",
                "declare them with annotations or under outputs of the model's manifest, or "
                + LEAVE_BATCH_OUT,
            )
        yield from _optional(step, path, outputs or ())
        yield from _without_rows(step, path, "input", reader.signature.inputs or ())
        yield from _without_rows(step, path, "output", outputs or ())


def _optional(step: Step, path: KeyPath, outputs: Sequence[TensorSpec]) -> Iterator[Finding]:
    for output in outputs:
        if output.optional:
            yield Finding(
                path,
                f"step '{step.name}' batches calls of model '{step.model_name}', whose output "
                f"'{output.name}' is optional: what a shared call leaves out is absent for all in "
                "it",
                LEAVE_BATCH_OUT,
            )


def _without_rows(
    step: Step, path: KeyPath, side: str, tensors: Sequence[TensorSpec]
) -> Iterator[Finding]:
    """Tensors that can never hold the rows of several requests."""
    for tensor in tensors:
        if tensor.shape is not None and (not tensor.shape or isinstance(tensor.shape[0], int)):
            yield Finding(
                path,
                f"step '{step.name}' batches calls of model '{step.model_name}' along the first "
                f"axis, but its {side} '{tensor.name}' is {tensor.type_text}",
                LEAVE_BATCH_OUT,
            )
