"""Penstock: pipelines of models as flows of data that are joined as streams."""

from penstock.core.plugins import hookimpl

__all__ = ["hookimpl"]

__version__ = "0.1.0"
