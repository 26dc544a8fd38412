"""Models on Triton, which is started and looked after."""
