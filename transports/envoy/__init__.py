"""Envoy as a data plane: a forwarder that configures it over xDS, and runs it where wanted."""
