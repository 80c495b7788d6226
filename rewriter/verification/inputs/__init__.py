"""Inputs for a model: what it takes, arrays made for it, arrays given by the user."""
