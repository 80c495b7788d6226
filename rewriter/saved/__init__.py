"""Model files: read without a framework, kept whole, written whole or not at all."""

from rewriter.saved.model_file import ModelFile, read

__all__ = ["ModelFile", "read"]
