"""Read model files without Keras, and write them whole or not at all."""

from rewriter.saved.model_file import ModelFile, read

__all__ = ["ModelFile", "read"]
