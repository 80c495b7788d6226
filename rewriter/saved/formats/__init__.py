"""Read the formats of model files without Keras."""
