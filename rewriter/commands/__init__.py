"""The commands that look at models and change nothing; `rewriter.cli` has the others."""
