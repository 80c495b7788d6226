"""A plan and a verification, written for people and for programs."""
