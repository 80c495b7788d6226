"""List what happens to masks at every call, for `show --masks`."""

from __future__ import annotations

from collections.abc import Sequence

from rewriter.analysis.masks import CallFlow, Mask
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.printable import printable
from rewriter.report.line import Line

_HEADS = ("layer", "class", "mask in", "what happens", "mask out")


def masks_lines(graph: ModelGraph, model: str, flows: Sequence[CallFlow]) -> list[Line]:
    """Return a table of the calls in the order in which Keras runs them, with a sum below.

    Where a mask is lost, or makes Keras fail, the line has the style ``error``.

    Parameters
    ----------
    graph : ModelGraph
        The outermost model.
    model : str
        What to call it.
    flows : sequence of CallFlow
        What happens at its calls.
    """
    shown = [flow for flow in flows if not flow.graph.layer(flow.call).implicit]
    rows = [_row(flow) for flow in shown]
    widths = [max(len(row[place]) for row in (_HEADS, *rows)) for place in range(len(_HEADS))]

    def line(row: Sequence[str]) -> str:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        return "  ".join(cells).rstrip()

    title = f"{printable(model)} ({graph.class_name}, Keras {graph.keras})"
    lines = [Line(title, "title"), Line(""), Line(line(_HEADS), "dim")]
    for flow, row in zip(shown, rows, strict=True):
        lines.append(Line(line(row), "error" if flow.loses or flow.fails else ""))
    return [*lines, Line(""), Line(_sum(shown), "result")]


def _row(flow: CallFlow) -> tuple[str, ...]:
    name = "  " * flow.layer.count("/") + str(flow.call)
    given, left = (printable(_named(mask)) for mask in (flow.mask_in, flow.mask_out))
    return printable(name), printable(flow.class_name), given, what_happens(flow), left


def _named(mask: Mask) -> str:
    return str(mask) if mask or not mask.known else ""


def what_happens(flow: CallFlow) -> str:
    """Return what a call does with its mask, in a word or two.

    Examples
    --------
    >>> from rewriter.graph import Layer
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> call = graph.add(Layer("ids", "InputLayer", {}))
    >>> from rewriter.analysis.masks import mask_flow
    >>> what_happens(mask_flow(graph)[0])
    ''
    """
    if flow.fails:
        return f"FAILS: {flow.fails}"
    out = flow.mask_out
    if not out.known:
        return "not known"
    if not any(flow.masks_in):
        return "makes one" if out else ""
    words = ["uses it"] if flow.uses else ["uses it in training"] if flow.trains else []
    if flow.loses:
        words.append("LOSES it")
    elif not out and flow.goes_around:
        words.append("has it go around")
    elif out:
        same = any(out == mask for mask in flow.masks_in)
        words.append("passes it on" if same else "changes it")
    return ", ".join(words)


def _sum(flows: Sequence[CallFlow]) -> str:
    makes = sum(bool(flow.mask_out) and not any(flow.masks_in) for flow in flows)
    uses = sum(flow.uses for flow in flows)
    lost = sum(flow.loses for flow in flows)
    fails = sum(bool(flow.fails) for flow in flows)
    words = f"of {len(flows)} calls, masks are made by {makes}, used by {uses}, lost by {lost}"
    return f"{words}; {fails} would fail" if fails else words
