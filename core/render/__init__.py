"""Drawings for terminals: directed graphs as boxes and lines."""
