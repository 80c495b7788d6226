"""Tell whether two layers do the same at inference, by class, config, weights and vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rewriter.analysis.known_layers import is_known
from rewriter.dialects import encode
from rewriter.graph.calls import Arguments
from rewriter.graph.graph import Layer
from rewriter.live.adapters import Live
from rewriter.verification.ends import training_setting

if TYPE_CHECKING:
    from numpy.typing import NDArray


def same_masks(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    """Whether two masks hide the same; no mask hides nothing."""
    import numpy as np

    if one is None or other is None:
        present = one if other is None else other
        return present is None or bool(np.all(present))
    return np.array_equal(one, other)


def same_layer(one: Layer, other: Layer) -> bool:
    """Whether two layers do the same at inference, told by class and config."""
    return (
        one.class_name == other.class_name
        and _at_inference(one) == _at_inference(other)
        and _same_graph(one.graph, other.graph)
        and one.inner.keys() == other.inner.keys()
        and all(same_layer(layer, other.inner[role]) for role, layer in one.inner.items())
    )


def _same_graph(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(encode(one) == encode(other))


def _at_inference(layer: Layer) -> dict[str, Any]:
    """Return what of a config shows at inference; of the user's own classes, all may."""
    left_out = ("name", "trainable", "shared_object_id")
    known = is_known(layer)
    return {
        key: value
        for key, value in layer.config.items()
        if key not in left_out and not (known and training_setting(key))
    }


def same_arguments(one: Arguments, other: Arguments) -> bool:
    """Whether two calls have the same arguments, whatever tensors fill their holes."""
    return repr((one.args, dict(one.kwargs))) == repr((other.args, dict(other.kwargs)))


def same_state(one: Live, other: Live) -> bool:
    """Whether two live layers have the same weights, to the bit, and the same vocabulary."""
    have, want = (list(getattr(layer, "weights", ())) for layer in (one, other))
    return (
        len(have) == len(want)
        and all(map(same_bits, have, want))
        and vocabulary_of(one) == vocabulary_of(other)
    )


def same_bits(one: Live, other: Live) -> bool:
    """Whether two variables have the same shape, type and bits."""
    import numpy as np

    if one is other:
        return True
    first, second = np.asarray(one), np.asarray(other)
    if (first.shape, first.dtype) != (second.shape, second.dtype):
        return False
    if first.dtype.kind not in "biuf":  # words, which have no bytes of their own
        return first.tobytes() == second.tobytes()
    return np.array_equal(first.reshape(-1).view("uint8"), second.reshape(-1).view("uint8"))


def vocabulary_of(layer: Live) -> Any:
    """Return the words or numbers that a layer knows; None where it has none."""
    words = getattr(layer, "get_vocabulary", None)
    return None if words is None else list(words())


def has_level_weight(layer: Live) -> bool:
    """Whether the numbers of a weight that training changes are all the same."""
    import numpy as np

    weights = (np.asarray(weight) for weight in getattr(layer, "trainable_weights", ()))
    return any(each.size > 1 and bool(np.all(each == each.flat[0])) for each in weights)
