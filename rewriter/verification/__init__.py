"""Measure guarantees: run two models on the same inputs."""
