"""What a name stands for at the gateway: a version that serves, or the reason why none does."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from penstock.core.contracts.gateway import Reply, Target, TargetKind, Ticket
from penstock.core.dataflow import Deployment
from penstock.core.errors import (
    InvalidRequestError,
    NotReadyError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.experiments.split import Split
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.nearest import did_you_mean
from penstock.core.parameters import NO_PARAMETERS
from penstock.core.records import Headers, Tensors
from penstock.core.request_headers import MISSING
from penstock.core.signature import Signature

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission


class ServedTarget(Target):
    """One version of one model or pipeline; ``deployment`` is None while it is not ready."""

    __slots__ = (
        "_admission",
        "_current",
        "_name",
        "_output_names",
        "always_enters",
        "deployment",
        "kind",
        "reason",
        "signature",
        "version",
    )

    def __init__(
        self,
        admission: Admission,
        kind: TargetKind,
        name: str,
        version: int,
        *,
        deployment: Deployment | None = None,
        signature: Signature | None = None,
        reason: str = "",
    ) -> None:
        self._admission = admission
        self._name = name
        self._current = True
        self.kind = kind
        self.version = str(version)
        self.deployment = deployment
        self.signature = signature
        self.reason = reason
        outputs = None if signature is None else signature.outputs
        self._output_names = None if outputs is None else [tensor.name for tensor in outputs]
        self.always_enters = (
            deployment is not None
            and deployment.plan.output is not None
            and deployment.plan.key is None
            and deployment.plan.order is None
        )
        """Whether nothing but a selection of outputs can be wrong with a request as such, and
        nothing but the intake's bound can make it wait."""

    @property
    def name(self) -> str:
        return self._name

    @property
    def current(self) -> bool:
        return self._current

    def expire(self) -> None:
        """Another target may be right for the name from now on."""
        self._current = False

    def renewed(self) -> ServedTarget:
        """The same once more, for a name that has to be resolved again."""
        self.expire()
        return ServedTarget(
            self._admission,
            self.kind,
            self._name,
            int(self.version),
            deployment=self.deployment,
            signature=self.signature,
            reason=self.reason,
        )

    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        return self._admission.submit(self, request, headers, timeout_ms, reply)

    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        return self._admission.accept(self, request, headers, split)

    def admit(
        self, request: InferenceRequest, headers: Headers, *, asynchronous: bool = False
    ) -> bytes:
        """The key of a request that may enter (see :meth:`key_of`); raises what refuses it."""
        if self.deployment is None:
            raise self.not_ready()
        if self.deployment.plan.output is None and not asynchronous:
            raise UnsupportedError(
                f"pipeline '{self._name}' has no output, so a call cannot wait for its answer; "
                f"send it to /v2/pipelines/{self._name}/requests, or add an output section to its "
                "manifest"
            )
        if request.outputs is not None and self._output_names is not None:
            unknown = self._unknown_output(request, self._output_names)
            if unknown is not None:
                raise unknown
        return self.key_of(request, headers)

    def key_of(self, request: InferenceRequest, headers: Headers) -> bytes:
        """The key of a request, empty where that is its identity.

        Raises InvalidRequestError where the pipeline takes its key from what the request lacks.
        """
        key = None if self.deployment is None else self.deployment.plan.key
        return b"" if key is None else key.of(headers, request.tensors)

    def not_ready(self) -> NotReadyError:
        """The error of a target that cannot serve."""
        return NotReadyError(f"{self.kind} '{self._name}' is not ready: {self.reason}")

    def response(
        self,
        request: InferenceRequest,
        tensors: Tensors,
        missing: tuple[str, ...] = (),
        version: str | None = None,
    ) -> InferenceResponse | PenstockError:
        """The answer, with those tensors that the request selects.

        ``missing`` are the steps that the pipeline went on without; the answer names them.
        ``version`` is the one that answered, where that was another.
        """
        if request.outputs is not None:
            if self._output_names is None:
                unknown = self._unknown_output(request, [tensor.name for tensor in tensors])
                if unknown is not None:
                    return unknown
            wanted = [output.name for output in request.outputs]
            tensors = tuple([t for name in wanted for t in tensors if t.name == name])
        parameters = {MISSING: ", ".join(missing)} if missing else NO_PARAMETERS
        answered = self.version if version is None else version
        return InferenceResponse(self._name, answered, request.id, tensors, parameters)

    def response_of_nothing(self, request: InferenceRequest) -> InferenceResponse | PenstockError:
        """What is said of a model that put out nothing: as V2 has it, an answer without outputs.

        Not to a request without tensors, which no model is called with.
        """
        if request.tensors:
            return self.response(request, ())
        takes = None if self.signature is None else self.signature.inputs
        hint = f"; it takes {', '.join(t.name for t in takes)}" if takes else ""
        return InvalidRequestError(
            f"the request has no tensors, so model '{self._name}' was not called{hint}"
        )

    def _unknown_output(
        self, request: InferenceRequest, names: Collection[str]
    ) -> InvalidRequestError | None:
        for output in request.outputs or ():
            if output.name not in names:
                hint = did_you_mean(output.name, names)
                if hint is None:
                    hint = f"it puts out {', '.join(sorted(names)) or 'nothing'}"
                return InvalidRequestError(
                    f"{self.kind} '{self._name}' has no output '{output.name}'; {hint}"
                )
        return None
