"""Compare names, order, nesting and keys of inputs and outputs; name what is not verified."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewriter.analysis.known_layers import class_of, is_known
from rewriter.analysis.noise_layers import read_noise
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves, map_leaves
from rewriter.verification.inputs.specs import input_shape

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
_STOPS = "stop_gradient"
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
        one, other = before.layer(old.call), after.layer(new.call)
        for what, was, now in (
            ("type", _dtype(one), _dtype(other)),
            ("shape", *_shapes(one, other)),
        ):
            if was == now:
                continue
            said = f"input {new.call.layer} takes the {what} {now}, and took {was}"
            if changed is None or new.call.layer not in changed:
                return Ends(said)
            listed.append(said)
    return Ends("", tuple(listed))


def _shapes(one: Layer, other: Layer) -> tuple[Any, Any]:
    """Return the shapes of two inputs; twice the same where the second takes all of the first."""
    was, now = input_shape(one), input_shape(other)
    if was is None or now is None:  # a model that was never built
        return None, None
    if len(was) != len(now):
        return was, now
    fits = all(size in (None, old) for old, size in zip(was, now, strict=True))
    return was, was if fits else now


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
    """Return in one line what changed and shows in no output at inference.

    Layers are compared by path; those of two models that were built apart, which have other names
    and the same classes in the same order, by that order.
    """
    old, new = (dict(_layers(graph)) for graph in (before, after))
    kinds = [[layer.class_name for layer in each.values()] for each in (old, new)]
    if old.keys() != new.keys() and kinds[0] == kinds[1]:
        new = dict(zip(old, new.values(), strict=True))
    found: dict[str, list[str]] = {}
    for path in dict.fromkeys((*old, *new)):
        one, other = old.get(path), new.get(path)
        if one is None or other is None:
            layer = one or other
            if layer is not None and (kind := _kind_in_training(layer) or _gradients(layer)):
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


def _gradients(layer: Layer) -> str:
    """Return what training may do otherwise through code that nobody knows; nothing for others."""
    stops = layer.class_name == "StopGradient" or _STOPS in str(layer.config.get("function", ""))
    own = not is_known(layer) or class_of(layer) == "Lambda" or stops
    return "gradients through it" if own and layer.graph is None else ""


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
