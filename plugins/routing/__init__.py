"""Routers that come with Penstock: which candidate of an experiment a request goes to."""
