"""Feed mutated model files to the readers for as long as one likes, with atheris.

``pip install atheris`` and ``python tests/fuzz/fuzz_reading.py NEW CORPUS -max_total_time=3600
-rss_limit_mb=2048 -timeout=20``, where CORPUS is a folder of small ``.keras`` and ``.h5`` files and
NEW an empty one: ``python tests/support/corpus.py CORPUS`` writes some, and any real model helps. A
crash is any exception but a RewriterError.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from rewriter.errors import RewriterError
    from rewriter.saved import read
    from rewriter.saved.decoding import graph_of
    from rewriter.saved.safety.dangers import dangers

PLACE = Path(tempfile.mkdtemp()) / "model"


def read_anything(content: bytes) -> None:
    """Read a file, look it through, and make its graph."""
    PLACE.write_bytes(content)
    try:
        file = read(PLACE)
        list(dangers(file.document))
        list(dangers(file.training_config))
        graph_of(file)
    except RewriterError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, read_anything)
    atheris.Fuzz()
