"""Convert noise layers between classes: read rate, shared axes, seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import NOISE_RANK, is_recurrent, noise_in, returns_sequences
from rewriter.graph.calls import Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

SPATIAL = {3: "SpatialDropout1D", 4: "SpatialDropout2D", 5: "SpatialDropout3D"}
"""By the rank of the tensor, the batch axis counted."""

MASKS = frozenset({"Dropout", "DynamicDropout", *SPATIAL.values()})
"""Noise layers that set units to zero, and scale those that are left."""

_BETWEEN = ("Masking", "BatchNormalization", "LayerNormalization", "Activation")

KEPT_KEYS = ("name", "trainable", "dtype")


@dataclass(frozen=True, slots=True)
class Noise:
    """What a noise layer draws.

    Parameters
    ----------
    rate : float
        The fraction of units to drop, or as much Gaussian noise.
    shared_axes : tuple of int
        Axes along which it is the same.
    seed : int, optional
        Of the random numbers.
    always_on : bool
        Whether it is drawn at inference too.

    Examples
    --------
    >>> read_noise(Layer("d", "Dropout", {"rate": 0.5, "noise_shape": [4, 1, None]}))
    Noise(rate=0.5, shared_axes=(1,), seed=None, always_on=False)
    """

    rate: float
    shared_axes: tuple[int, ...] = ()
    seed: int | None = None
    always_on: bool = False


def read_noise(layer: Layer) -> Noise | None:
    """Return what a noise layer draws; None for GaussianNoise, which has no rate."""
    config = layer.config
    rate, seed = config.get("rate"), config.get("seed")
    if rate is None:
        return None
    if layer.class_name == "DynamicDropout":
        shared = config.get("shared_axes") or ()
        axes = tuple(shared) if isinstance(shared, list | tuple) else (shared,)
        return Noise(rate, axes, seed, bool(config.get("always_on")))
    if layer.class_name in SPATIAL.values():
        return Noise(rate, _spatial_axes(layer), seed)
    held = config.get("noise_shape")
    shape: Sequence[int | None] = held if isinstance(held, list | tuple) else ()
    return Noise(rate, tuple(axis for axis, size in enumerate(shape) if size == 1), seed)


def make_noise(
    to: str, name: str, noise: Noise, *, rank: int | None, keras: int, like: Mapping[str, Any]
) -> Layer | str:
    """Return a noise layer, or why there is none of that kind.

    Parameters
    ----------
    to : str
        ``dynamic``, ``standard``, ``spatial``, ``gaussian`` or ``alpha``.
    name : str
        Name of the layer.
    noise : Noise
        What it draws.
    rank : int or None
        Of the tensor, the batch axis counted; None if it is not known.
    keras : int
        2 or 3.
    like : mapping
        The config whose dtype policy it gets.

    Examples
    --------
    >>> make_noise("standard", "d", Noise(0.5, (1,)), rank=3, keras=3, like={}).config
    {'name': 'd', 'trainable': True, 'rate': 0.5, 'seed': None, 'noise_shape': [None, 1, None]}
    """
    kept = {key: like[key] for key in KEPT_KEYS if key in like}
    config = {"trainable": True, **kept, "name": name, "rate": noise.rate, "seed": noise.seed}
    config = {"name": name, **config}
    if to == "dynamic":
        ours = {"shared_axes": list(noise.shared_axes), "always_on": noise.always_on}
        return Layer(name, "DynamicDropout", {**config, **ours})
    if to == "spatial":
        if rank not in SPATIAL:
            return f"there is no spatial dropout for {_told(rank)}"
        if keras == 3:
            config.pop("trainable")  # which it does not take
        return Layer(name, SPATIAL[rank], config)
    if to == "gaussian":
        if noise.shared_axes:
            return "GaussianDropout draws for each unit, this noise is shared along an axis"
        return Layer(name, "GaussianDropout", config)
    if noise.shared_axes and rank is None:
        return f"its noise_shape cannot be written for {_told(rank)}"
    if noise.shared_axes and to == "alpha" and keras == 2:
        return "AlphaDropout of Keras 2 does not save a noise_shape"
    shape = None
    if noise.shared_axes and rank is not None:
        shared = {axis % rank for axis in noise.shared_axes}
        shape = [1 if axis in shared else None for axis in range(rank)]
    class_name = "Dropout" if to == "standard" else "AlphaDropout"
    if class_name == "Dropout" or keras == 3:
        config["noise_shape"] = shape
    return Layer(name, class_name, config)


def put_in_front(noise: Layer, recurrent: Layer) -> bool:
    """Whether externalise-dropout put noise in front of a recurrent layer: its name tells."""
    name, number = noise.name.removeprefix(f"{recurrent.name}_dropout"), noise.name
    named_so = name != number and (not name or name.removeprefix("_").isdigit())
    return named_so and noise.class_name == "DynamicDropout" and bool(noise.config["shared_axes"])


def recurrent_behind(graph: ModelGraph, tensor: Tensor) -> str | None:
    """Return the recurrent layer that a tensor comes out of, through noise and the like."""
    while _is_between(graph.layer(tensor.call)):
        source = graph.producer(tensor.call)
        if source is None:
            return None
        tensor = source
    return tensor.call.layer if is_recurrent(graph.layer(tensor.call)) else None


def _is_between(layer: Layer) -> bool:
    """Whether a layer may stand between two recurrent layers and hands sequences on."""
    return noise_in(layer) is not None or class_of(layer) in _BETWEEN


def misfit_behind(layer: Layer, recurrent: Layer) -> str | None:
    """Return why a noise layer cannot stand behind a recurrent layer; None if it can."""
    noise = noise_in(layer)
    assert noise is not None
    shape = noise.config.get("noise_shape")
    if not returns_sequences(recurrent):
        if noise.class_name in NOISE_RANK or noise is not layer:
            return f"{layer.class_name} does not fit the vector that {recurrent.name} gives"
        if shape is not None or noise.config.get("shared_axes"):
            return f"its noise shape does not fit the vector that {recurrent.name} gives"
    if shape is not None and shape[-1] not in (None, 1):
        return f"its noise_shape fixes the features, and {recurrent.name} has others"
    return None


def _spatial_axes(layer: Layer) -> tuple[int, ...]:
    rank = next(rank for rank, name in SPATIAL.items() if name == layer.class_name)
    first = 2 if layer.config.get("data_format") == "channels_first" else 1
    return tuple(range(first, first + rank - 2))


def _told(rank: int | None) -> str:
    return "a tensor of unknown rank" if rank is None else f"a tensor of rank {rank}"
