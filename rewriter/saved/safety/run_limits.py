"""Refuse a file, before Keras sees it, whose model would take too much where it is run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rewriter.analysis.run_sizes import ROWS, Judged, excess_of_metrics, judge
from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.decoding import graph_of
from rewriter.saved.model_file import ModelFile, read
from rewriter.saved.safety.links_and_sizes import LIFT


def refuse_large_run(
    file: ModelFile, graph: ModelGraph | None = None, *, limits: bool = True, rows: int = ROWS
) -> bool:
    """Refuse a file whose model takes too much, as far as its config tells.

    Parameters
    ----------
    file : ModelFile
        What is to be loaded.
    graph : ModelGraph, optional
        Of the file, where it is known.
    limits : bool
        Whether anything is refused.
    rows : int
        The most rows that it is run on, where the batch size is open.

    Returns
    -------
    bool
        Whether nothing more is to be looked at once it is loaded.

    Raises
    ------
    ModelReadError
        It takes too much; names the layer.
    """
    if not limits:
        return True
    of_metrics = excess_of_metrics(file.training_config)
    judged = Judged(of_metrics, False)
    if of_metrics is None:
        with suppress(UnsupportedModelError):  # it is read from the live model
            judged = judge(graph or graph_of(file), rows)
    if judged.excess is not None:
        raise beyond_limit(file, judged.excess.path, judged.excess.what)
    return judged.known


def refuse_large_files(paths: Sequence[str], *, limits: bool, rows: int = ROWS) -> None:
    """Refuse files whose models take too much, before a framework is started for them.

    Parameters
    ----------
    paths : sequence of str
        The files.
    limits : bool
        Whether anything is refused.
    rows : int
        The most rows that they are run on, where the batch size is open.

    Raises
    ------
    RewriterError
        One takes too much, or cannot be read.
    """
    for path in paths:
        refuse_large_run(read(path, limits=limits), limits=limits, rows=rows)


def beyond_limit(file: ModelFile, layer: str, what: str) -> ModelReadError:
    """Return the error for what takes too much."""
    return ModelReadError(what, where=f"{file.path}: {layer}", fix=LIFT)
