"""Protocol definitions and the modules generated from them."""
