"""The command line: ``penstock``."""

from penstock.core.cli.main import main

__all__ = ["main"]
