"""Scaling policies: how many replicas a model could do with, by one figure of its load."""
