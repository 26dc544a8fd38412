"""The other built-in plug-ins."""
