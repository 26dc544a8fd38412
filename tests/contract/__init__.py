"""One suite per contract, to be run over every implementation."""
