"""Find what a new mask changes besides outputs for padding: GPU kernels, and later training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rewriter.analysis.masks.flow import CallFlow
from rewriter.analysis.recurrent_layers import FUSED, has_fast_path
from rewriter.graph.changes import Change, Note
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves


def newly(before: Sequence[CallFlow], after: Sequence[CallFlow], what: str) -> Iterator[CallFlow]:
    """Yield the first flow of each layer of which something is true after, and was not before.

    Parameters
    ----------
    before, after : sequence of CallFlow
        The flow of the model as it was, and as it is.
    what : str
        A field of `CallFlow`: ``uses`` or ``trains``.
    """
    done = {flow.layer for flow in before if getattr(flow, what)}
    for flow in after:
        if getattr(flow, what) and flow.layer not in done:
            done.add(flow.layer)
            yield flow


def slow_kernels(
    model: ModelGraph,
    before: Sequence[CallFlow],
    after: Sequence[CallFlow],
    cudnn: str,
    right_padded: bool | None,
) -> Iterator[Change | Note]:
    """Take LSTM and GRU layers that newly get a mask off their fast kernel, in Keras 3.

    On a GPU, Keras 3 runs them with cuDNN, which takes masks of padding behind the sequence
    alone. Compiled functions assert that (`_assert_valid_mask` in
    keras/src/backend/tensorflow/rnn.py), and would fail on a mask with padding in front, or on
    a row of padding alone, where the model without the mask ran.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.
    before, after : sequence of CallFlow
        The flow of the model as it was, and as it is.
    cudnn : str
        ``off`` or ``keep``.
    right_padded : bool or None
        What the data shows; None without data.
    """
    if model.keras != 3:
        return
    noted = False
    for flow in newly(before, after, "uses"):
        layer = flow.graph.layer(flow.call)
        for role, fast in _fast_layers(layer):
            if cudnn == "keep":
                yield Note(flow.layer, fast.class_name, _kept(right_padded))
            else:
                reason = (
                    "on a GPU, its cuDNN kernel fails on padding in front of a sequence"
                    f"{_possible(right_padded)}"
                )
                changes = {"use_cudnn": False}
                yield flow.graph.configure(flow.call.layer, changes, reason=reason, role=role)
                if not noted:
                    noted = True
                    yield Note(flow.layer, fast.class_name, _LOST)


_LOST = (
    "the written file says use_cudnn=False; Keras reads that and does not save it, so after you "
    "load the model and save it again, it runs with cuDNN again"
)


def _kept(right_padded: bool | None) -> str:
    if right_padded is None:
        return (
            "keeps its cuDNN kernel (cudnn=keep): on a GPU, that fails on padding in front of a "
            "sequence, and without --data it is not known where yours is"
        )
    if right_padded:
        return "keeps its cuDNN kernel (cudnn=keep): your data has padding only behind sequences"
    return (
        "keeps its cuDNN kernel (cudnn=keep), which fails on a GPU: your data has padding in front "
        "of sequences, or sequences that are all padding"
    )


def _possible(right_padded: bool | None) -> str:
    if right_padded:
        return "; your data has it only behind sequences, so cudnn=keep is safe"
    return "; cudnn=keep keeps the kernel" if right_padded is None else ", which your data has"


def _fast_layers(layer: Layer, role: str | None = None) -> Iterator[tuple[str | None, Layer]]:
    """Yield the LSTM and GRU layers that cuDNN may run, with their roles in wrappers."""
    if layer.class_name in FUSED:
        if has_fast_path(layer) and layer.config.get("use_cudnn", "auto") == "auto":
            yield role, layer
    elif "layer" in layer.inner:
        # Bidirectional hands what its forward layer says on to the one that runs backward.
        inner = "layer" if role is None else f"{role}.layer"
        yield from _fast_layers(layer.inner["layer"], inner)


def training_notes(
    model: ModelGraph, before: Sequence[CallFlow], after: Sequence[CallFlow]
) -> Iterator[Note]:
    """Yield a note where a new mask changes what later training does."""
    for flow in newly(before, after, "trains"):
        yield Note(
            flow.layer,
            flow.class_name,
            "gets a mask: in later training, padded steps no longer count in its statistics",
        )
    for flow in newly(before, after, "uses"):
        if flow.class_name == "GlobalAveragePooling1D":
            yield Note(
                flow.layer,
                flow.class_name,
                "no longer averages over padded steps: for padded sequences, the layers behind it "
                "get other values than those that they were trained on, and for a sequence of "
                "padding alone NaN, which empty=off avoids",
            )
    had = set(_masked_outputs(model, before))
    for name, flow in _masked_outputs(model, after).items():
        if name not in had:
            yield Note(
                flow.layer,
                flow.class_name,
                "is an output and gets a mask: losses and metrics no longer count padded steps",
            )


IGNORED = (
    "does not get the mask: its call has an initial state, and Keras 3 passes a mask only to calls "
    "with one tensor; padded steps still count in it"
)


def unseen_notes(before: Sequence[CallFlow], after: Sequence[CallFlow]) -> Iterator[Note]:
    """Yield a note where a new mask comes to a recurrent layer that does not see it."""
    for flow in newly(before, after, "ignores"):
        if not flow.fails:
            yield Note(flow.layer, flow.class_name, IGNORED)


def _masked_outputs(model: ModelGraph, flows: Sequence[CallFlow]) -> dict[str, CallFlow]:
    masked = {}
    ends = {(end.call, end.output) for end in leaves(model.outputs)}
    for flow in flows:
        if flow.graph is model:
            for number, mask in enumerate(flow.masks_out):
                if mask and (flow.call, number) in ends:
                    masked[flow.layer] = flow
    return masked
