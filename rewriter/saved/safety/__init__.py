"""Find what a file would run, read or write, and refuse it."""
