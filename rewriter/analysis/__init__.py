"""Tell from a graph alone what its layers are, and what flows through them."""
