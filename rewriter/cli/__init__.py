"""Define the commands, one module each."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from rewriter.cli.app import main as run  # not before it runs: `rewriter` imports python_path

    run()
