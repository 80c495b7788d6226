"""Make numbers to feed a part of a model with, from what its inputs really bring there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from rewriter.analysis.value_ranges import ANY, Range, range_of
from rewriter.graph.graph import Layer
from rewriter.graph.nested import leaves
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.compared_models import Models
from rewriter.verification.ends import training_setting
from rewriter.verification.flat_calls import FlatCall, FlatModel, FlatTensor
from rewriter.verification.inputs.made import NUMBERS, numbers_around
from rewriter.verification.inputs.tries import fixed_batch
from rewriter.verification.running import to_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_ROWS = 64

_AT_LIMITS = "at limits"


class Probe(NamedTuple):
    """What a part is fed with: a number of a real input, and which numbers stand beside it."""

    input: int
    numbers: str = "real"

    @property
    def real(self) -> bool:
        """Whether these are numbers that an input of the model brings there."""
        return self.numbers == "real"


@dataclass(slots=True)
class PartValues:
    """Tensors of the original, for a few inputs, and numbers of other kinds in their place.

    Parameters
    ----------
    models : Models
        What is compared.
    flat : FlatModel
        The original.
    real : list of mapping
        The tensors that are known so far, input by input.
    """

    models: Models
    flat: FlatModel
    real: list[dict[FlatTensor, Any]] = field(init=False)
    ranges: dict[FlatTensor, Range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inputs = [to_tensors(self.models.specs, arrays) for arrays in self.models.inputs()]
        self.real = [dict(zip(self.flat.inputs, each, strict=True)) for each in inputs]

    def find(self, tensors: Iterable[FlatTensor]) -> None:
        """Run the original to know tensors; those that are known already cost nothing."""
        wanted = [tensor for tensor in dict.fromkeys(tensors) if tensor not in self.real[0]]
        if wanted:
            for known in self.real:
                given = {tensor: known[tensor] for tensor in self.flat.inputs}
                known.update(self.flat.run(wanted, given))

    def probes(self) -> Iterator[Probe]:
        """Yield what to feed a part with, real numbers first."""
        for number in range(len(self.real)):
            yield Probe(number)
        for kind in (*NUMBERS, _AT_LIMITS):
            # Steps of zeros are padding to some layers, of which such a guarantee says nothing.
            if kind != "many of them 0" or not self._unpadded:
                yield Probe(0, kind)

    @property
    def _unpadded(self) -> bool:
        return self.models.promise.guarantee is Guarantee.SAME_WHERE_UNPADDED

    def given(
        self, probe: Probe, tensors: Sequence[FlatTensor], calls: Sequence[FlatCall]
    ) -> dict[FlatTensor, Any]:
        """Return a value for each tensor that a part of these calls is fed with."""
        real = self.real[probe.input]
        if probe.real:
            return {tensor: real[tensor] for tensor in tensors}
        limits = sorted({*self._limits(calls)})
        rows = self._rows(tensors, limits) if probe.numbers == _AT_LIMITS else 0
        return {
            tensor: self._made(probe, tensor, number, limits, rows)
            for number, tensor in enumerate(tensors)
        }

    def _made(
        self, probe: Probe, tensor: FlatTensor, seed: int, limits: Sequence[float], rows: int
    ) -> Any:
        import numpy as np
        import tensorflow as tf

        real = self.real[probe.input][tensor]
        if not isinstance(real, tf.Tensor):
            return real
        shape = (rows or real.shape[0], *real.shape[1:]) if real.shape.rank else ()
        if tensor in self.flat.inputs or not real.dtype.is_floating:
            return _with_mask(tf.convert_to_tensor(_more_rows(real.numpy(), shape)), real, shape)
        normal = np.random.default_rng(51 + seed).standard_normal(shape)
        if probe.numbers != _AT_LIMITS:
            numbers = NUMBERS[probe.numbers](normal)
        else:
            numbers = numbers_around(limits, shape) if limits else normal
        low, high = self._range(tensor)
        numbers = np.clip(numbers, low, high).astype(real.dtype.as_numpy_dtype)
        return _with_mask(tf.convert_to_tensor(numbers), real, shape)

    def _range(self, tensor: FlatTensor) -> Range:
        if tensor not in self.ranges:
            call = self.flat.calls.get(tensor.way)
            given = [] if call is None else [self._range(source) for source in call.sources]
            self.ranges[tensor] = ANY if call is None else range_of(call.layer, given)
        return self.ranges[tensor]

    def _limits(self, calls: Sequence[FlatCall]) -> Iterator[float]:
        """Yield the numbers that the configs and arguments of calls name."""
        for call in calls:
            for layer in call.layer.walk():
                for key, value in layer.config.items():
                    padding = self._unpadded and key == "mask_value"
                    if not training_setting(key) and not padding:
                        yield from _numbers(value)
            yield from _numbers([call.arguments.args, dict(call.arguments.kwargs)])

    def _rows(self, tensors: Sequence[FlatTensor], limits: Sequence[float]) -> int:
        """Return how many rows hold all limits; 0 to leave their number as it is."""
        shapes = [tuple(getattr(self.real[0][tensor], "shape", ())) for tensor in tensors]
        batches = {shape[0] if shape else 0 for shape in shapes}
        if fixed_batch(self.models.specs) or len(batches) != 1 or not min(batches):
            return 0
        a_row = min(max(1, prod(shape[1:])) for shape in shapes)
        wanted = -(-(2 * len(limits) + 2) // a_row)
        return int(min(_MOST_ROWS, max(wanted, *batches)))


def _numbers(value: Any) -> Iterator[float]:
    """Yield the numbers of a structure; a layer in it is a layer of its own."""
    for leaf in leaves(value if not isinstance(value, Layer) else []):
        if isinstance(leaf, int | float) and not isinstance(leaf, bool) and abs(leaf) < 1e30:
            yield float(leaf)


def _more_rows(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return as many rows as are wanted, those that are there over and over."""
    import numpy as np

    if not shape or shape[0] == len(array):
        return array
    return np.asarray(array[np.arange(shape[0]) % len(array)])


def _with_mask(tensor: Any, real: Any, shape: tuple[int, ...]) -> Any:
    """Give a tensor the mask of the one in whose place it stands."""
    import tensorflow as tf

    mask = getattr(real, "_keras_mask", None)
    if mask is not None:
        tensor._keras_mask = tf.convert_to_tensor(
            _more_rows(mask.numpy(), (shape[0], *mask.shape[1:]))
        )
    return tensor
