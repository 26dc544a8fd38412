"""Explainers of tables: the features of a request, what is usual, and what is explained."""
