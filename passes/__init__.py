"""The built-in passes, one file each, registered under the entry point ``rewriter.passes``."""
