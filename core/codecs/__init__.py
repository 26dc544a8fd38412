"""How requests and responses are written: as JSON with binary tensors (REST), and as protobuf."""
