"""The agent: one replica of a server in a process of its own, which follows a scheduler."""
