"""The gRPC front end: V2, the control plane, health and reflection on one port.

Nothing is imported here, so that the plug-in can be looked at without loading grpcio.
"""
