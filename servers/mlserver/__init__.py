"""Models on MLServer, which is started and looked after."""
