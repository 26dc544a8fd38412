"""What several test modules use to drive the real thing without I/O."""
