"""The built-in rules of placement: filters and sorters, each a plug-in of its own."""
