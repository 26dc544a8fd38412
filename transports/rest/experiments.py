"""Experiments: ``/v1/experiments/{experiment}/report`` and ``.../settle``."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.control import CONFIDENCE, ControlPlane
from penstock.core.errors import InvalidRequestError
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.origins import Origins
from penstock.transports.rest.schemas import ref

_PATH: Final = "/v1/experiments/{experiment}"


class ExperimentOperations:
    """Tells what is known of the arms of experiments, and takes what an operator decides."""

    def __init__(self, control: ControlPlane, origins: Origins) -> None:
        self._control = control
        self._origins = origins

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        text = {"type": "string"}
        share = {"type": "number", "minimum": 0.5, "exclusiveMaximum": 1}
        return [
            Operation(
                "GET",
                f"{_PATH}/report",
                "compareArms",
                "What is known of the arms of an experiment, with confidence intervals",
                "Control plane",
                served_by(self.report),
                Content.json("The arms beside the baseline", ref("ArmsReport")),
                ("invalid-request", "not-found"),
                (
                    Parameter("baseline", "query", "The arm that others are compared with.", text),
                    Parameter("confidence", "query", "How often intervals hold, as 0.95.", share),
                ),
            ),
            Operation(
                "POST",
                f"{_PATH}/settle",
                "settleExperiment",
                "Give all requests of an experiment to one arm until its manifest changes",
                "Control plane",
                served_by(self.settle),
                Content.json("The experiment", ref("Resource")),
                ("not-found", "forbidden"),
                (Parameter("arm", "query", "The arm; the baseline, without it.", text),),
            ),
        ]

    async def report(self, request: Request) -> Response:
        """The arms beside a baseline."""
        query = request.query_params
        name = request.path_params["experiment"]
        confidence = _confidence(query.get("confidence"))
        return JsonAnswer(self._control.compare_arms(name, query.get("baseline"), confidence))

    async def settle(self, request: Request) -> Response:
        """Everything to one arm."""
        self._origins.check(request)
        name, arm = request.path_params["experiment"], request.query_params.get("arm")
        return JsonAnswer(await self._control.settle(name, arm))


def _confidence(text: str | None) -> float:
    try:
        return CONFIDENCE if text is None else float(text)
    except ValueError:
        raise InvalidRequestError(
            f"the query parameter confidence is '{text}'; write a number as 0.95"
        ) from None
