"""Experiments: traffic that is split over arms, what became of it, and what is concluded."""
