"""Offer what a script calls: one plan, made once, applied as it was shown."""
