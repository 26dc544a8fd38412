"""Load on a running server: who sends it, in which order, and what is measured."""
