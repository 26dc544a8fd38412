"""Models in environments of their own: the server adapter, and the worker that it starts there."""
