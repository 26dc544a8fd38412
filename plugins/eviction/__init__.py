"""Eviction policies: which of the models on a server go when others need their room."""
