"""Rewrite a saved model as a file: exchange its config, move its weights, copy every other byte."""
