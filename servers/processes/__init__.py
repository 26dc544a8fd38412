"""Models in processes of their own: both ends, and what goes between them."""
