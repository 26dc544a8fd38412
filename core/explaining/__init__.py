"""Explainers in a process: what they are loaded by, and how they ask what they explain."""

from penstock.core.explaining.loader import GatewayExplainers
from penstock.core.explaining.thread import AskFromThread, in_thread

__all__ = ["AskFromThread", "GatewayExplainers", "in_thread"]
