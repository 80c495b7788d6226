"""Limit the memory that Keras takes to load a file, and clean up what it leaves on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from rewriter.analysis.run_sizes import ROWS, STEPS, TENSOR_LIMIT, too_large
from rewriter.errors import ModelReadError
from rewriter.live.adapters import Live, live_keras
from rewriter.live.keras_patches import temporaries_in, weights_within
from rewriter.live.traced_sizes import largest_output, largest_traced
from rewriter.live.walk import with_sublayers
from rewriter.saved import ModelFile
from rewriter.saved.safety.file_state import size_of
from rewriter.saved.safety.links_and_sizes import refuse_inflation
from rewriter.saved.safety.run_limits import beyond_limit
from rewriter.saved.writing.temporary import remove_scratch, temporary_directory


def load_bounded(
    file: ModelFile, load: Callable[[], Live], *, limits: bool = True, rows: int = ROWS
) -> Live:
    """Return what Keras loads.

    Parameters
    ----------
    file : ModelFile
        What is loaded.
    load : callable
        Has Keras load it.
    limits : bool
        Whether weights must be in proportion to the file, and tensors within `TENSOR_LIMIT`.
    rows : int
        The most rows that it is run on, where the batch size is open.

    Raises
    ------
    ModelReadError
        They are not.
    """
    with _unpacking(file.keras), in_proportion(file, limits=limits):
        model = load()
    if not limits:
        return model
    name, elements = largest_output(with_sublayers(model, live_keras(file.keras)), rows, STEPS)
    if elements > TENSOR_LIMIT:
        raise beyond_limit(file, name, too_large(elements, rows, TENSOR_LIMIT))
    return model


def refuse_large_trace(file: ModelFile, model: Live, rows: int = ROWS) -> None:
    """Refuse a live model that would make too large a tensor, as TensorFlow works it out.

    Parameters
    ----------
    file : ModelFile
        Where it comes from.
    model : live model
        The model; nothing is run of it.
    rows : int
        The most rows that it is run on, where the batch size is open.

    Raises
    ------
    ModelReadError
        It does; names the operation.
    """
    name, elements = largest_traced(model, rows, STEPS)
    if elements > TENSOR_LIMIT:
        raise beyond_limit(file, name, too_large(elements, rows, TENSOR_LIMIT))


@contextmanager
def in_proportion(file: ModelFile, *, limits: bool = True) -> Iterator[None]:
    """Refuse weights that are out of proportion to their file before memory is taken for them."""
    if not limits:
        yield
        return
    size = size_of(file.state)
    refused: list[ModelReadError] = []

    def weigh(declared: int, layer: str) -> None:
        try:
            refuse_inflation(declared, size, " of weights")
        except ModelReadError as error:
            refused.append(ModelReadError(error.what, where=f"{file.path}: {layer}", fix=error.fix))
            raise

    try:
        with weights_within(weigh, file.keras):
            yield
    finally:
        if refused:  # Keras puts errors into others, and goes on after some
            raise refused[0]


@contextmanager
def _unpacking(keras: int) -> Iterator[None]:
    """Have Keras unpack in a directory that the next run knows, and that it removes."""
    remove_scratch()
    with ExitStack() as stack:
        folder = cache(lambda: stack.enter_context(temporary_directory()))
        with temporaries_in(folder, keras):
            yield
