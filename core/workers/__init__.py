"""Several processes that serve behind one address of one machine."""
