"""Processes on Kafka that are killed under load, and what must hold all the same.

PYTHONPATH=tests python -m chaos --seed 1 --kills 100
"""
