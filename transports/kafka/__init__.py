"""Streams on Apache Kafka."""
