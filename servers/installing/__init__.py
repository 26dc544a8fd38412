"""Servers that are installed in environments of their own."""
