"""The REST front end: V2, the control plane's twin and pages, on one address.

Nothing is imported here, so that the plug-in can be looked at without loading an HTTP server.
"""
