"""The pipeline gateway: the one handler behind every front end.

It knows by which name what is served, admits requests within the limits, gives each an identity
and a deadline, and turns the engine's outcome into an answer or an error.
"""

from penstock.core.pipeline_gateway.admission import GatewayLimits
from penstock.core.pipeline_gateway.gateway import PipelineGateway

__all__ = ["GatewayLimits", "PipelineGateway"]
