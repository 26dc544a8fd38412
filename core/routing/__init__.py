"""Routes: what processes that answer requests know of what a scheduler serves.

The scheduler's side is the book (:mod:`penstock.core.routing.book`), a gateway's the follower.
"""
