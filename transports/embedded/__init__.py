"""The forwarder ``embedded``: requests passed on by this process, over REST and gRPC.

REST has protocols of its own on both sides: what comes goes on as it is, as soon as it is there.
"""
