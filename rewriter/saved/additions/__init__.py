"""Carry what a file holds and Keras does not write into the new file."""
