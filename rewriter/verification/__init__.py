"""Guarantees, measured: two models on the same inputs."""
