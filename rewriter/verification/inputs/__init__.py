"""Describe what the inputs of a model take, and make or read arrays for them."""
