"""Requests that somebody follows: their passengers, and who is told of what becomes of them."""
