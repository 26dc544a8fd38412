"""Workers, a broker and producers in one deterministic world; see docs/explanation/simulation.md."""
