"""Servers that are started, watched and stopped as processes of their own."""
