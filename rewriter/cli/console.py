"""Show progress and warnings on standard error."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 1.0
"""Seconds that something takes before it is told."""


def error(words: str) -> None:
    """Write one line to standard error."""
    print(f"error: {_printable(' '.join(words.split()), 1000)}", file=sys.stderr)


def settings_read(path: Path | None) -> None:
    """Say which file decides what is done, if one does."""
    if path is not None:
        print(f"settings: {_printable(str(path), 1000)}", file=sys.stderr)


@contextmanager
def progress(words: str) -> Iterator[None]:
    """Tell what is being done, if it takes longer than a second."""
    shown: list[Any] = []

    def show() -> None:
        if sys.stderr.isatty():
            from rich.console import Console

            status = Console(stderr=True).status(f"{_printable(words, 1000)} ...")
            status.start()
            shown.append(status)
        else:
            print(f"{_printable(words, 1000)} ...", file=sys.stderr, flush=True)

    timer = threading.Timer(PATIENCE, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for status in shown:
            status.stop()


framework_started: list[Callable[[], None]] = []
"""What is to be done once TensorFlow is imported; it is done once."""

NESTED_CALLS = 10_000
"""How deep calls may be nested: Keras follows a chain of layers by one call inside another."""


def start_tensorflow() -> None:
    """Import TensorFlow without the lines that it writes about itself, and with fixed seeds.

    It writes them to the file descriptor, past Python; if the import fails they are shown. The
    seeds make a command that draws noise print the same each time.
    """
    from rewriter.live.frameworks import import_framework

    sys.setrecursionlimit(max(NESTED_CALLS, sys.getrecursionlimit()))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.showwarning = _warning
    with progress("starting TensorFlow"), _descriptor_kept(2):
        tf = import_framework("tensorflow")
        tf.get_logger().setLevel("ERROR")
        from absl import logging

        logging.set_verbosity(logging.ERROR)
        tf.constant(0)
    while framework_started:
        framework_started.pop()()
    random.seed(0)
    tf.random.set_seed(0)


@contextmanager
def _descriptor_kept(number: int) -> Iterator[None]:
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(number)
        os.dup2(kept.fileno(), number)
        try:
            yield
        except BaseException:
            os.dup2(saved, number)
            kept.seek(0)
            sys.stderr.write(kept.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(saved, number)
            os.close(saved)


def _warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if not issubclass(category, DeprecationWarning):
        print(f"warning: {_printable(' '.join(str(message).split()), 1000)}", file=sys.stderr)


def one_line(text: str) -> str:
    """Return a text on one line that steers no terminal, whatever stands in a model's names."""
    from rewriter.graph.printable import text_of  # its package imports networkx

    return text_of([text])


def _printable(text: str, longest: int) -> str:
    from rewriter.graph.printable import printable  # its package imports networkx

    return printable(text, longest)
