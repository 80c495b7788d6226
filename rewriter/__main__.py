"""``python -m rewriter``."""

from rewriter.cli.app import main

main()
