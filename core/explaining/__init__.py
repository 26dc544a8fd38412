"""Explainers in a process: what they are loaded by, and how they ask what they explain."""

from penstock.core.explaining.evaluations import too_many_evaluations
from penstock.core.explaining.lanes import in_lanes
from penstock.core.explaining.loader import GatewayExplainers
from penstock.core.explaining.thread import AskFromThread, in_thread

__all__ = ["AskFromThread", "GatewayExplainers", "in_lanes", "in_thread", "too_many_evaluations"]
