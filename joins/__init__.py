"""Built-in join strategies, one per module."""
