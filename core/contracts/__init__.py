"""What plug-ins implement: one abstract class per kind, with the values that pass in and out."""

from penstock.core.contracts.arm_metric import ArmMetric
from penstock.core.contracts.balancer import BalancedRequest, Balancer, Loaded
from penstock.core.contracts.bandit import ArmSeen, Bandit, Sampled
from penstock.core.contracts.command import Command
from penstock.core.contracts.control import ControlPlane
from penstock.core.contracts.eviction import EvictionPolicy, ResidentModel
from penstock.core.contracts.explainer import Explainer
from penstock.core.contracts.follower import Follower, Following, RequestSeen, VisitSeen
from penstock.core.contracts.forwarder import Forwarder, ForwarderContext
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.contracts.gateway import Gateway
from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Keep,
    Kept,
    Run,
    Skip,
    SourceState,
    SourceView,
    Wait,
)
from penstock.core.contracts.middleware import CallNext, GatewayRequest, Middleware
from penstock.core.contracts.model import (
    CopyPlace,
    Loader,
    ModelCall,
    ModelInstance,
    ModelSpec,
    ServerAdapter,
)
from penstock.core.contracts.observer import Observer
from penstock.core.contracts.page import Page, PageContent
from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
    Sorter,
)
from penstock.core.contracts.router import Candidate, RoutedRequest, Router
from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.contracts.transport import (
    Delivery,
    FencedError,
    Membership,
    Output,
    Owner,
    Ownership,
    Reader,
    StreamSpec,
    Transport,
    Written,
)

__all__ = [
    "ArmMetric",
    "ArmSeen",
    "ArtifactStorage",
    "BalancedRequest",
    "Balancer",
    "Bandit",
    "CallNext",
    "Candidate",
    "Command",
    "ControlPlane",
    "CopyPlace",
    "Decision",
    "Delivery",
    "EvictionPolicy",
    "Explainer",
    "FencedError",
    "Filter",
    "Follower",
    "Following",
    "Forwarder",
    "ForwarderContext",
    "FrontEnd",
    "FrontEndContext",
    "Gateway",
    "GatewayRequest",
    "JoinStrategy",
    "JoinView",
    "Keep",
    "Kept",
    "Loaded",
    "Loader",
    "Membership",
    "Middleware",
    "ModelCall",
    "ModelDemand",
    "ModelInstance",
    "ModelLoad",
    "ModelSpec",
    "Observer",
    "Output",
    "Owner",
    "Ownership",
    "Page",
    "PageContent",
    "PlacementSnapshot",
    "Reader",
    "RequestSeen",
    "ResidentModel",
    "RoutedRequest",
    "Router",
    "Run",
    "Sampled",
    "Scaler",
    "ScalingDecision",
    "ServerAdapter",
    "ServerSnapshot",
    "Skip",
    "Sorter",
    "SourceState",
    "SourceView",
    "StreamSpec",
    "Transport",
    "VisitSeen",
    "Wait",
    "Written",
]
