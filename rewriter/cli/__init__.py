"""The commands, one module each: a few lines over the public names."""

from rewriter.cli.app import main

__all__ = ["main"]
