"""Tell how the slots of an optimizer follow the layers into another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import CELLS
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.by_file.layer_order import UncertainError, layers_in_order

_TRAINED = """
Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Dense DepthwiseConv1D DepthwiseConv2D
EinsumDense Embedding GRU LSTM LayerNormalization MultiHeadAttention PReLU SeparableConv1D
SeparableConv2D SimpleRNN
"""

_TRAINABLE = frozenset(_TRAINED.split())
"""Layers of which every weight is trained."""

_WRAPPERS = frozenset({"Bidirectional", "TimeDistributed", "RNN", "StackedRNNCells"})

_MOVING = 2
"""Weights of a BatchNormalization that are not trained: the moving mean and variance."""

_SLOTS = {"SGD": 1, "RMSprop": 1, "Adagrad": 1, "Lion": 1, "Adam": 2, "AdamW": 2}
"""Slots of each variable, one behind the other; variables in the order of the model's."""

_HEADS = (0, 1, 2)
"""Variables of the optimizer as a whole, in front: the step, and the learning rate."""


def sequence(graph: ModelGraph, holding: Mapping[Any, Any]) -> list[tuple[Any, bool]]:
    """Return the origins of the layers that have data, in order; and whether they are trained."""
    found: list[tuple[Any, bool]] = []

    def visit(graph: ModelGraph, trained: bool) -> None:
        for layer in layers_in_order(graph):
            held = layer.config if layer.graph is None else layer.graph.config
            here = trained and (not isinstance(held, dict) or held.get("trainable") is not False)
            if layer.graph is not None:
                visit(layer.graph, here)
            elif holding.get(layer.origin):
                found.append((layer.origin, here))

    visit(graph, True)
    return found


def slot_order(
    optimizer: Any,
    shapes: Sequence[tuple[int, ...]],
    old: Sequence[tuple[Any, bool]],
    new: Sequence[tuple[Any, bool]],
    layers: Mapping[Any, tuple[Layer, Sequence[tuple[int, ...]]]],
) -> list[int]:
    """Return the numbers of an optimizer's variables in their new order.

    Parameters
    ----------
    optimizer : mapping or str
        Its serialised form, or its name.
    shapes : sequence of tuple
        Of its variables, as they stand in the file.
    old, new : sequence
        What `sequence` gives of the two graphs.
    layers : mapping
        The layers by their origin, and the shapes of their weights.

    Raises
    ------
    UncertainError
        Which variables are trained, or which slots belong to them, is not known.
    """
    if not any(shapes) and len(shapes) in _HEADS:  # it has no slots, or was not built
        return list(range(len(shapes)))
    slots = _slots(optimizer)
    blocks = {origin: _trained(*layers[origin]) if here else 0 for origin, here in old}
    count = sum(blocks.values())
    heads = len(shapes) - slots * count
    if heads not in _HEADS or any(shapes[:heads]):
        raise UncertainError("the optimizer has another number of slots than its variables need")
    places, at = {}, heads
    for origin, _ in old:
        places[origin] = range(at, at + slots * blocks[origin])
        at += slots * blocks[origin]
        expected = sorted(list(layers[origin][1]) * slots)
        block = sorted(shapes[each] for each in places[origin])
        known = block == expected if blocks[origin] == len(layers[origin][1]) else True
        pairs = [shapes[each] for each in places[origin]]
        if not known or any(
            len(set(pairs[i : i + slots])) > 1 for i in range(0, len(pairs), slots)
        ):
            raise UncertainError("the optimizer's slots do not fit the weights")
    if {origin for origin, _ in old} != {origin for origin, _ in new}:
        raise UncertainError("layers with weights come or go")
    return [*range(heads), *(each for origin, _ in new for each in places[origin])]


def _slots(optimizer: Any) -> int:
    if isinstance(optimizer, str):  # it was compiled with a name
        classes = {each.lower(): each for each in _SLOTS}
        optimizer = {"class_name": classes.get(optimizer.lower()), "config": {"use_ema": False}}
    name, config = str(optimizer.get("class_name")), optimizer.get("config")
    config = config if isinstance(config, dict) else {}
    name = name.removeprefix("Custom>")
    if config.get("is_legacy_optimizer", "use_ema" not in config):
        raise UncertainError("how an optimizer of an older Keras orders its slots is not known")
    more = ("use_ema", "gradient_accumulation_steps", "amsgrad", "centered", "loss_scale_factor")
    if name not in _SLOTS or any(config.get(each) for each in more):
        raise UncertainError(f"how {name} orders its slots is not known")
    if name == "RMSprop" and config.get("momentum"):
        raise UncertainError("how RMSprop with momentum orders its slots is not known")
    return _SLOTS[name]


def _trained(layer: Layer, shapes: Sequence[tuple[int, ...]]) -> int:
    """Return how many weights of a layer are trained."""
    for each in layer.walk():
        name = each.class_name if each.class_name in CELLS else class_of(each)
        known = name in _TRAINABLE or name in CELLS or name in _WRAPPERS
        normalizes = name == "BatchNormalization" and each is layer
        if (not known and not normalizes) or each.graph is not None or each.config.get("stateful"):
            raise UncertainError(f"which weights of {layer.name} are trained is not known")
        if each is not layer and each.config.get("trainable") is False:
            raise UncertainError(f"which weights of {layer.name} are trained is not known")
        if normalizes:
            return len(shapes) - _MOVING
    return len(shapes)
