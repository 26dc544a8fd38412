"""Forwarding without I/O: which way a request goes, who is asked, and what is tried elsewhere.

Used by forwarders that are programs of ours; the contract is
:mod:`penstock.core.contracts.forwarder`.
"""
