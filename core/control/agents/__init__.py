"""The scheduler's side of agents: servers whose replicas are processes elsewhere."""
