"""Clients of a running Penstock: its control plane, and its models and pipelines."""
