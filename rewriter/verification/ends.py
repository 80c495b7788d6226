"""Compare names, order, nesting and keys of inputs and outputs; name what is not verified."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewriter.analysis.known_layers import is_known
from rewriter.analysis.noise_layers import read_noise
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves, map_leaves

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SETTINGS = {
    "seed": "seeds",
    "rate": "training-time settings",
    "dropout": "training-time settings",
    "recurrent_dropout": "training-time settings",
    "noise_shape": "training-time settings",
    "stddev": "training-time settings",
    "trainable": "training-time settings",
    "momentum": "training-time settings",
    "power_iterations": "training-time settings",
}
_NAMES = ("name", "dtype")
_ENDINGS = {
    "_regularizer": "regularizers",
    "_constraint": "constraints",
    "_initializer": "initializers",
}


def training_setting(key: str) -> str:
    """Return what kind of setting a key of a config is that shows in training alone.

    Examples
    --------
    >>> training_setting("kernel_regularizer"), training_setting("units")
    ('regularizers', '')
    """
    ending = next((kind for end, kind in _ENDINGS.items() if key.endswith(end)), "")
    return _SETTINGS.get(key, ending)


@dataclass(frozen=True, slots=True)
class Ends:
    """How inputs and outputs differ.

    Parameters
    ----------
    broken : str
        A difference that nothing accounts for; nothing if there is none.
    listed : tuple of str
        Differences that the plan lists as changes.
    """

    broken: str = ""
    listed: tuple[str, ...] = ()


def compare_ends(before: ModelGraph, after: ModelGraph, changed: Collection[str] | None) -> Ends:
    """Compare inputs and outputs of two models.

    Parameters
    ----------
    before, after : ModelGraph
        The models.
    changed : collection of str, optional
        Paths of the layers that the plan changes. Without a plan, other names are told and
        decide nothing: two models that were built apart have other names.
    """
    listed: list[str] = []
    for what, old, new in (
        ("input", before.inputs, after.inputs),
        ("output", before.outputs, after.outputs),
    ):
        nesting = [map_leaves(lambda _: "*", each) for each in (old, new)]
        if nesting[0] != nesting[1]:
            return Ends(f"the {what}s are {nesting[1]}, and were {nesting[0]}")
        names = [[end.call.layer for end in leaves(each)] for each in (old, new)]
        for number, (one, other) in enumerate(zip(*names, strict=True)):
            if one == other:
                continue
            said = f"{what} {number} is named {other!r}, and was {one!r}"
            moved = one in names[1] or other in names[0]
            if changed is not None and (moved or not {one, other} & set(changed)):
                return Ends(said)
            listed.append(said)
    for old, new in zip(leaves(before.inputs), leaves(after.inputs), strict=True):
        types = [_dtype(graph.layer(end.call)) for graph, end in ((before, old), (after, new))]
        if types[0] != types[1]:
            said = f"input {new.call.layer} takes {types[1]}, and took {types[0]}"
            if changed is None or new.call.layer not in changed:
                return Ends(said)
            listed.append(said)
    return Ends("", tuple(listed))


def compare_dtypes(
    before: ModelGraph,
    after: ModelGraph,
    expected: Sequence[NDArray[Any]],
    actual: Sequence[NDArray[Any]],
    changed: Collection[str] | None,
) -> Ends:
    """Compare the types of the outputs, as both models gave them for one input."""
    listed: list[str] = []
    outputs = zip(leaves(before.outputs), leaves(after.outputs), expected, actual, strict=True)
    for old, new, one, other in outputs:
        if one.dtype != other.dtype:
            said = f"output {new.call.layer} is {other.dtype}, and was {one.dtype}"
            if not {old.call.layer, new.call.layer} & set(changed or ()):
                return Ends(said)
            listed.append(said)
    return Ends("", tuple(listed))


def not_verified(before: ModelGraph, after: ModelGraph) -> str:
    """Return in one line what changed and shows in no output at inference."""
    old, new = (dict(_layers(graph)) for graph in (before, after))
    found: dict[str, list[str]] = {}
    for path in dict.fromkeys((*old, *new)):
        one, other = old.get(path), new.get(path)
        if one is None or other is None:
            layer = one or other
            if layer is not None and (kind := _kind_in_training(layer)):
                found.setdefault(kind, []).append(path)
            continue
        for key in dict.fromkeys((*one.config, *other.config)):
            kind = training_setting(key) or ("" if key in _NAMES else _kind_in_training(other))
            if key == "stateful" and one.config.get(key) and not other.config.get(key):
                kind = "states from call to call"
            if kind and one.config.get(key) != other.config.get(key):
                found.setdefault(kind, []).append(f"{path}.{key}")
    return "; ".join(f"{kind} ({', '.join(_few(where))})" for kind, where in found.items())


def _kind_in_training(layer: Layer) -> str:
    """Return what a layer is that does nothing at inference; nothing for others."""
    if read_noise(layer) is not None or layer.class_name == "GaussianNoise":
        return "training-time settings"
    if layer.class_name == "ActivityRegularization":
        return "regularizers"
    random = layer.class_name.startswith("Random") and is_known(layer)
    return "augmentation" if random else ""


def _few(names: Sequence[str]) -> Sequence[str]:
    return names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]


def _layers(graph: ModelGraph) -> Iterator[tuple[str, Layer]]:
    """Yield the layers of a model by path, nested and wrapped ones included."""
    for inside in graph.walk():
        for outer in inside.layers:
            for place, layer in _within(outer, ()):
                yield "/".join((inside.path_of(outer.name), *place)), layer


def _within(layer: Layer, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Layer]]:
    yield place, layer
    for role, inner in layer.inner.items():
        yield from _within(inner, (*place, role))


def _dtype(layer: Layer) -> str:
    kind: Any = layer.config.get("dtype")
    if isinstance(kind, Mapping):
        kind = kind.get("config", {}).get("name")
    return str(kind or "float32")
