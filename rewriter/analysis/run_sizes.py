"""Judge how much a run of a model takes, before Keras sees it: tensors, steps and lists.

The sizes of a run are those that verification always uses; what it tries beyond them it estimates
first. Nothing of what a file says of the shapes between its layers is believed where the layers
tell it themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.run_shapes import Given, Sizes, given_by
from rewriter.analysis.shapes import Shape, as_shape, declared_shape, output_shape
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Graph, Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves

ROWS = 7
"""Rows of a run, where the batch size is open."""

STEPS = 48
"""Length of a run, where that is open."""

TENSOR_LIMIT = 2**28
"""Elements of one tensor."""

RUN_LIMIT = 2**34
"""Elements of all tensors of one run."""

STEPS_LIMIT = 50_000
"""Steps of recurrent layers, one after the other."""

UNROLLED_LIMIT = 5_000
"""Steps that Keras writes out one by one, before anything runs."""

CALLS_LIMIT = 200_000
"""Calls that are followed, those of nested models each time; beyond them nothing is known."""

_BYTES = 4


@dataclass(frozen=True, slots=True)
class Excess:
    """What goes beyond a limit.

    Parameters
    ----------
    path : str
        Of the layer.
    what : str
        What it takes, and what the limit is.
    """

    path: str
    what: str


@dataclass(slots=True)
class _Run:
    """What a run takes so far."""

    rows: int
    steps: int
    elements: int = 0
    loops: int = 0
    unrolled: int = 0
    calls: int = 0
    known: bool = True
    seen: dict[tuple[int, tuple[Sizes | None, ...]], list[Sizes | None]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of the sizes of a run.

    Parameters
    ----------
    excess : Excess or None
        The first thing that goes beyond a limit.
    known : bool
        Whether the shapes behind every call are known.
    """

    excess: Excess | None
    known: bool


def judge(graph: ModelGraph, rows: int = ROWS, steps: int = STEPS) -> Judged:
    """Return what in a run of a model goes beyond the limits, if anything does.

    Parameters
    ----------
    graph : ModelGraph
        The model.
    rows, steps : int
        The batch size and the length, where they are open.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> x = graph.add(Layer("x", "InputLayer", {"batch_shape": (None, 4)}))
    >>> far = graph.add(Layer("far", "RepeatVector", {"n": 10**9}), [Tensor(x)])
    >>> print(judge(graph).excess.what)
    it gives a tensor of 106,812 MB for 7 rows, and the limit is 1,024 MB
    """
    run = _Run(rows, steps)
    for excess in (*_lists(graph), *islice(_followed(graph, [], run), 1)):
        return Judged(excess, run.known)
    return Judged(None, run.known)


def _lists(graph: ModelGraph) -> Iterator[Excess]:
    for each in graph.walk():
        for layer in each.layers:
            for held in layer.walk():
                what = _too_long(held.config, LISTS.get(class_of(held), {}))
                if what:
                    yield Excess(each.path_of(layer.name), what)


def _followed(graph: Graph, given: list[Sizes | None], run: _Run) -> Iterator[Excess]:
    """Follow a run through a model, and yield what goes beyond the limits."""
    shapes: dict[Tensor, Sizes | None] = {}
    ends = [tensor.call for tensor in leaves(graph.inputs)]
    shapes.update(zip(map(Tensor, ends), given, strict=False))
    for call in graph.calls():
        run.calls += 1
        if run.calls > CALLS_LIMIT:
            run.known = False
            break
        if shapes.get(Tensor(call)) is not None:
            continue
        layer = graph.layer(call)
        before = [shapes.get(tensor) for tensor in graph.producers(call)]
        if layer.graph is not None:
            yield from _nested(layer, call, before, shapes, run)
            continue
        result = _result(graph, call, layer, before, run)
        if result is None:
            run.known = False
            continue
        shapes[Tensor(call)] = result.shape
        _other_outputs(graph, call, result, shapes, run)
        what = _excess(layer, result, run)
        if what:
            yield Excess(graph.path_of(call), what)
    run.seen[id(graph), tuple(given)] = [shapes.get(tensor) for tensor in leaves(graph.outputs)]


def _nested(
    layer: Layer,
    call: Call,
    before: list[Sizes | None],
    shapes: dict[Tensor, Sizes | None],
    run: _Run,
) -> Iterator[Excess]:
    key = id(layer.graph), tuple(before)
    if key not in run.seen:
        yield from _followed(layer.graph, before, run)
    for number, shape in enumerate(run.seen.get(key, ())):
        shapes[Tensor(call, number)] = shape


def _result(
    graph: Graph, call: Call, layer: Layer, before: list[Sizes | None], run: _Run
) -> Given | None:
    """Return what a call gives: what follows, or what is written beside it."""
    if class_of(layer) == "InputLayer":
        shape = _filled(as_shape(declared_shape(layer.config)), run)
        return None if shape is None else Given(shape)
    known = [shape for shape in before if shape is not None]
    if known and len(known) == len(before):
        given = given_by(layer, known)
        if given is not None:
            return given
    run.known = False
    told = _filled(output_shape(graph, Tensor(call)), run)  # type: ignore[arg-type]
    return None if told is None else Given(told)


def _other_outputs(
    graph: Graph, call: Call, given: Given, shapes: dict[Tensor, Sizes | None], run: _Run
) -> None:
    """Take the states of a recurrent layer for steps of it."""
    for _, _, output in graph.network.out_edges(call, data="output"):
        if output:
            shapes[Tensor(call, output)] = (given.shape[0], given.shape[-1])


def _filled(shape: Shape | None, run: _Run) -> Sizes | None:
    """Return a shape with the sizes of the run where it is open."""
    if not shape:
        return None if shape is None else ()
    first, *rest = shape
    return (
        run.rows if first is None else first,
        *(run.steps if size is None else size for size in rest),
    )


def _excess(layer: Layer, given: Given, run: _Run) -> str:
    """Count what a call takes, and say what goes beyond a limit."""
    run.elements += given.elements
    unrolled = bool(layer.config.get("unroll")) or class_of(layer) in ("TimeDistributed",)
    run.loops += given.steps
    run.unrolled += given.steps if unrolled else 0
    if given.elements > TENSOR_LIMIT:
        return too_large(given.elements, run.rows, TENSOR_LIMIT)
    if run.elements > RUN_LIMIT:
        return f"the tensors up to it take more than {_megabytes(RUN_LIMIT)}, which is the limit"
    if run.loops > STEPS_LIMIT:
        return f"up to it, {run.loops:,} steps follow each other, and the limit is {STEPS_LIMIT:,}"
    if run.unrolled > UNROLLED_LIMIT:
        return (
            f"up to it, {run.unrolled:,} steps are written out one by one, and the limit is "
            f"{UNROLLED_LIMIT:,}"
        )
    return ""


def too_large(elements: int, rows: int, limit: int) -> str:
    """Say that a tensor is too large."""
    size, most = _megabytes(elements), _megabytes(limit)
    return f"it gives a tensor of {size} for {rows} rows, and the limit is {most}"


def _megabytes(elements: int) -> str:
    return f"{elements * _BYTES / 2**20:,.0f} MB"


LISTS: Mapping[str, Mapping[str, int]] = {
    "TextVectorization": {"ngrams": 100},
    "MelSpectrogram": {"num_mel_bins": 20_000, "fft_length": 2**20},
    "STFTSpectrogram": {"frame_length": 2**14, "fft_length": 2**14},
    "RandomGaussianBlur": {"kernel_size": 1_000},
    "StringLookup": {"num_oov_indices": 2**24},
    "IntegerLookup": {"num_oov_indices": 2**24},
}
"""Numbers in the configs of layers that Keras makes lists or matrices of, with their limits."""

LISTS_OF_METRICS: Mapping[str, int] = {"num_thresholds": 100_000, "num_classes": 10_000}
"""Those in what a model was compiled with."""


def _too_long(config: Mapping[str, Any], limits: Mapping[str, int]) -> str:
    """Say which number of a config goes beyond its limit, if one does."""
    for key, limit in limits.items():
        held = config.get(key)
        for each in held if isinstance(held, list | tuple) else (held,):
            number = isinstance(each, int | float) and not isinstance(each, bool)
            if number and not each <= limit:
                return f"its {key} is {each:,}, and the limit is {limit:,}"
    return ""


def excess_of_metrics(training: Any) -> Excess | None:
    """Return the first number that Keras would make too long a list of, for a metric.

    Parameters
    ----------
    training : JSON value
        What a model was compiled with.

    Examples
    --------
    >>> auc = {"class_name": "AUC", "config": {"num_thresholds": 10**9}}
    >>> print(excess_of_metrics({"metrics": [auc]}))
    Excess(path='AUC', what='its num_thresholds is 1,000,000,000, and the limit is 100,000')
    """
    pending = [(training, "the training configuration")]
    while pending:
        value, name = pending.pop()
        if isinstance(value, dict):
            told = value.get("class_name", name)
            what = _too_long(value, LISTS_OF_METRICS)
            if what:
                return Excess(name, what)
            pending.extend((held, str(told)) for held in value.values())
        elif isinstance(value, list):
            pending.extend((each, name) for each in value)
    return None
