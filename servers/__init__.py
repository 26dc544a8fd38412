"""Adapters to inference servers, and loaders of models."""
