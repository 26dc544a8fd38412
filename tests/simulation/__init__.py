"""Workers, a broker and producers in one deterministic world (docs/explanation/simulation.md)."""
