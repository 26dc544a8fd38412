"""How records and requests cross a process boundary: streams and front ends."""
