"""The side of the environment: what of Penstock runs there, with numpy and nothing else."""
