"""Penstock: pipelines of models as flows of data that are joined as streams."""

__version__ = "0.1.0"
