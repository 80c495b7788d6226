"""Hold the layers that a rewrite inserts, one module for each Keras.

Import `rewriter.layers.keras2` or `rewriter.layers.keras3` before a rewritten model is loaded: each
registers its layers with its Keras, and with that one alone.
"""
