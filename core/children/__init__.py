"""Programs that are started, watched and started again as processes of their own."""
