"""Call one layer alone, as the model called it, on any number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from rewriter.live.adapters import Live
from rewriter.verification.layer_traffic import WatchedArguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 1e-4
"""Size of inputs for which layers that are smooth at zero are linear."""


@dataclass(frozen=True, slots=True)
class LayerReplay:
    """A layer with the arguments of one of its calls.

    Parameters
    ----------
    layer : live layer
        Is not watched any more.
    arguments : WatchedArguments
        Those of the call.
    """

    layer: Live
    arguments: WatchedArguments

    @property
    def first(self) -> Any:
        """The first tensor that went in."""
        return tensors_in(self.arguments.args)[0]

    @property
    def row_units(self) -> int:
        """How many units one row of the first tensor has."""
        return max(int(prod(self.first.shape[1:])), 1)

    def with_rows(self, rows: int, *, small: bool = False, seed: int = 0) -> WatchedArguments:
        """Return the arguments with so many rows.

        Parameters
        ----------
        rows : int
            The size of the batch.
        small : bool
            Whether numbers are drawn anew, about zero and of size `SMALL`; by default the rows
            that there are get repeated.
        seed : int
            Of the numbers.
        """
        import numpy as np
        import tensorflow as tf

        random, batch = np.random.default_rng(seed), self.first.shape[0]

        def resized(leaf: Any) -> Any:
            if not isinstance(leaf, tf.Tensor) or not leaf.shape.rank or leaf.shape[0] != batch:
                return leaf
            shape = (rows, *leaf.shape[1:])
            if small and leaf.dtype.is_floating:
                return tf.cast(SMALL * random.standard_normal(shape), leaf.dtype)
            return tf.convert_to_tensor(np.resize(leaf.numpy(), shape), leaf.dtype)

        args, kwargs = tf.nest.map_structure(
            resized, (self.arguments.args, dict(self.arguments.kwargs))
        )
        return WatchedArguments(tuple(args), kwargs)

    def call(self, arguments: WatchedArguments, **options: Any) -> list[Any]:
        """Return the tensors that the layer gives."""
        return tensors_in(self.layer(*arguments.args, **{**arguments.kwargs, **options}))


def with_other_options(arguments: WatchedArguments, others: WatchedArguments) -> WatchedArguments:
    """Keep the tensors of `arguments`; take the other arguments, as ``training``, from `others`."""
    import tensorflow as tf

    args, kwargs = tf.nest.map_structure(
        lambda one, other: one if isinstance(one, tf.Tensor) else other,
        (arguments.args, dict(arguments.kwargs)),
        (others.args, dict(others.kwargs)),
    )
    return WatchedArguments(tuple(args), kwargs)


def tensors_in(structure: Any) -> list[Any]:
    """Return the tensors in a structure, in order."""
    import tensorflow as tf

    return [each for each in tf.nest.flatten(structure) if isinstance(each, tf.Tensor)]


def numbers_of(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array of 64 bits."""
    import numpy as np
    import tensorflow as tf

    return np.asarray(tf.cast(tensor, "float64"))
