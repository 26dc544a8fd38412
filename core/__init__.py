"""The core: contracts, hook specifications, resources, the dataflow engine and its drivers."""
