"""Balancers: which of the processes that have the answer is asked; each is a plug-in."""
