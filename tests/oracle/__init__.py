"""A second, naive reading of what a pipeline means, to hold the engine against."""
