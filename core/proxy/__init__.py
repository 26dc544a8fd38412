"""The proxy: one address, behind which requests find who answers them.

It follows a scheduler's routes; :mod:`penstock.core.proxy.ways` says what they come to for a
forwarder, which does the work.
"""
