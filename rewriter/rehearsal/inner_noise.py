"""Measure the noise inside recurrent, attention and custom layers by what it does to outputs.

What such a layer multiplies with noise goes through matrices before it comes out. Three things
can be seen all the same:

1. Noise on the output is seen there; attention hands its scores out when it is asked.
2. The masks of Keras' own cells, and of those that mix in the same class, can be drawn: they
   give the rate, and whether the mask is one for all steps.
3. For small inputs a cell is linear in its input and in its state. The gradient by a unit is then
   the factor of the noise times the gradient at inference: it is zero where the unit is dropped,
   and on average the same where the expectation is kept.

Where none of these holds, as for a layer that is not smooth at zero, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from rewriter.analysis.layer_kinds import RECURRENT
from rewriter.live.adapters import Live, LiveKeras, NoiseKeras, noise_keras
from rewriter.live.known_classes import is_known_class
from rewriter.rehearsal.noise_result import NoiseMeasured, stated_rate
from rewriter.rehearsal.replay import LayerReplay, numbers_of, tensors_in, with_other_options
from rewriter.verification.layer_traffic import WatchedArguments
from rewriter.verification.noise_statistics import Drawn, drawn, is_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Responses = Mapping[str, NDArray[Any]]

WANTED_DRAWS = 1_000_000
MOST_NUMBERS = 4_000_000
"""As many numbers, of the widest tensor in sight, are held at a time."""

RUNS = 8
LINEAR = 0.02
"""Gradients at two small inputs that differ by less are those of a linear function."""

ATTENTION = frozenset({"Attention", "AdditiveAttention"})
_RATES = {"input": "dropout", "state": "recurrent_dropout"}


def measure_inside(
    keras: LiveKeras,
    layers: Mapping[str, Live],
    training: Mapping[str, WatchedArguments],
    inference: Mapping[str, WatchedArguments],
) -> Iterator[NoiseMeasured]:
    """Measure the noise inside layers, called again alone as the model called them.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of the model.
    layers : mapping of str to live layer
        Those of the model, by path.
    training, inference : mapping of str to WatchedArguments
        What they were called with in a training step, and at inference.
    """
    noise = noise_keras(keras.keras)
    for path, layer in layers.items():
        if path not in training or path not in inference:
            continue
        if not _may_hold_noise(keras, layer, layers, training):
            continue
        shown = _shown(path, layers)
        name = type(layers[shown]).__name__
        subject = _MeasuredLayer(
            noise, shown, name, LayerReplay(layer, training[path]), inference[path]
        )
        yield from subject.measured()


def _may_hold_noise(
    keras: LiveKeras,
    layer: Live,
    layers: Mapping[str, Live],
    called: Mapping[str, WatchedArguments],
) -> bool:
    if _is_cell(layer) or _is_attention(layer):
        return not is_known_class(type(layer)) or bool(_rates(layer))
    cell = getattr(layer, "cell", None)
    if cell is not None:
        through_cell = any(layers.get(path) is cell for path in called)
        return not through_cell and bool(_rates(layer))
    return not is_known_class(type(layer)) and not keras.sublayers(layer)


def _is_cell(layer: Live) -> bool:
    return hasattr(layer, "state_size") and not hasattr(layer, "cell") and not _is_stack(layer)


def _is_stack(layer: Live) -> bool:
    return hasattr(layer, "cells")


def _is_attention(layer: Live) -> bool:
    return any(cls.__name__ in ATTENTION for cls in type(layer).__mro__)


def _rates(layer: Live) -> dict[str, float | None]:
    """Return the rates that a layer says it has, by what they work on."""
    every = {on: stated_rate(layer, name) for on, name in _RATES.items()}
    if every["input"] is None and not is_known_class(type(layer)):
        every["input"] = stated_rate(layer)
    return {on: rate for on, rate in every.items() if rate is not None}


def _shown(path: str, layers: Mapping[str, Live]) -> str:
    """Return the path that the user knows: an LSTM's for the cell that it made itself."""
    outer = path.rpartition("/")[0]
    made_it = outer in layers and type(layers[outer]).__name__ in RECURRENT - {"RNN"}
    return outer if made_it and _is_cell(layers[path]) else path


@dataclass(frozen=True, slots=True)
class _MeasuredLayer:
    """A layer that may draw noise inside, as it is called in training and at inference."""

    noise: NoiseKeras
    path: str
    class_name: str
    training: LayerReplay
    arguments_at_inference: WatchedArguments

    @property
    def inference(self) -> LayerReplay:
        """The same input, given as at inference."""
        arguments = with_other_options(self.training.arguments, self.arguments_at_inference)
        return LayerReplay(self.layer, arguments)

    @property
    def layer(self) -> Live:
        return self.training.layer

    def measured(self) -> Iterator[NoiseMeasured]:
        """Yield what can be told of the noise on input, state, output or scores."""
        rates = _rates(self.layer)
        try:
            yield from self._measured(rates)
        except Exception:  # a layer that cannot be called alone, or on other rows
            for on, rate in rates.items():
                yield self._row(on, rate, None, in_training=True)

    def _row(
        self,
        on: str,
        rate: float | None,
        outcome: Drawn | None,
        *,
        in_training: bool,
        at_inference: bool = False,
        over_time: bool | None = None,
    ) -> NoiseMeasured:
        return NoiseMeasured(
            self.path,
            self.class_name,
            False,
            rate,
            in_training,
            at_inference,
            outcome,
            over_time,
            on,
        )

    def _measured(self, rates: Mapping[str, float | None]) -> Iterator[NoiseMeasured]:
        if _is_attention(self.layer):
            yield self._on_scores(stated_rate(self.layer, "dropout"))
            return
        rows = min(-(-WANTED_DRAWS // (RUNS * self.training.row_units)), self._most_rows())
        rows = max(rows, self.training.first.shape[0])
        still, again = (self._outputs(self.inference, rows) for _ in range(2))
        if not _alike(still, again):
            for on in rates or ("input",):
                rate = rates.get(on)
                yield self._row(on, rate, None, in_training=True, at_inference=True)
            return
        noisy = self._outputs(self.training, rows)
        if _alike(still, noisy):
            for on, rate in rates.items():
                yield self._row(on, rate, None, in_training=False)
            return
        if not rates and _alike(noisy, self._outputs(self.training, rows)):
            return  # something else than noise, as the statistics of a batch
        over_time = self._holds_mask(rows) if _is_cell(self.layer) else None
        if is_mask([(still[0], noisy[0])]) and (noisy[0] == 0).any():
            yield self._on_output(next(iter(rates.values()), None), still[0], over_time)
        else:
            yield from self._on_what_goes_in(rates, rows, over_time)

    def _on_output(
        self, rate: float | None, still: NDArray[Any], over_time: bool | None
    ) -> NoiseMeasured:
        rows = len(still)
        outcome = drawn([(still, self._outputs(self.training, rows)[0]) for _ in range(RUNS)])
        if not _is_cell(self.layer) and still.ndim > 2:
            over_time = 1 in outcome.shared_axes
        return self._row("output", rate, outcome, in_training=True, over_time=over_time)

    def _most_rows(self) -> int:
        given = [tensor.shape for tensor in tensors_in(self.training.arguments.args)]
        widest = max(int(prod(shape[1:])) for shape in given)
        gates = 4 if _is_cell(self.layer) or hasattr(self.layer, "cell") else 1
        return max(MOST_NUMBERS // max(gates * widest, 1), 1)

    def _outputs(self, replay: LayerReplay, rows: int) -> list[NDArray[Any]]:
        self.noise.forget_masks(self.layer)
        given = replay.with_rows(rows)
        return [numbers_of(each) for each in replay.call(given) if each.dtype.is_floating]

    def _holds_mask(self, rows: int) -> bool:
        """Whether a cell drops the same units at the next step."""
        self.noise.forget_masks(self.layer)
        given = self.training.with_rows(rows)
        steps = [[numbers_of(each) for each in self.training.call(given)] for _ in range(2)]
        return _alike(*steps)

    def _on_scores(self, rate: float | None) -> NoiseMeasured:
        rows = -(-WANTED_DRAWS // (RUNS * self._scores(self.inference, None)[0].size))
        batch = rows * self.training.first.shape[0]
        pairs = [
            (self._scores(self.inference, batch), self._scores(self.training, batch))
            for _ in range(RUNS)
        ]
        in_training = not all(_alike([still], [noisy]) for still, noisy in pairs)
        at_inference = not _alike([pairs[0][0]], [pairs[1][0]])
        outcome = drawn(pairs) if in_training and not at_inference else None
        return self._row(
            "scores", rate, outcome, in_training=in_training, at_inference=at_inference
        )

    def _scores(self, replay: LayerReplay, rows: int | None) -> NDArray[Any]:
        given = replay.arguments if rows is None else replay.with_rows(rows)
        return numbers_of(replay.call(given, return_attention_scores=True)[-1])

    def _on_what_goes_in(
        self, rates: Mapping[str, float | None], rows: int, over_time: bool | None
    ) -> Iterator[NoiseMeasured]:
        pairs: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
        linear, additive = True, False
        for run in range(RUNS):
            still, plain = self._response(self.inference, rows, run)
            noisy, moved = self._response(self.training, rows, run)
            for on in still.keys() & noisy.keys():
                pairs.setdefault(on, []).append((still[on], noisy[on]))
            if run == 0:
                elsewhere, _ = self._response(self.inference, rows, RUNS)
                linear = all(_close(still[on], elsewhere[on], LINEAR) for on in still)
                additive = not _close(plain, moved, LINEAR, floor=1.0)
        affected = {on for on in pairs if any(not _close(a, b, 0.01) for a, b in pairs[on])}
        if affected == {"state"} and "state" not in rates and "input" in rates:
            rates = {"state": rates["input"]}  # a cell that keeps one rate, for its state
        masks = self._masks(rows)
        visible = linear and not additive
        if not visible and not masks:
            for on in rates or ("input",):
                yield self._row(on, rates.get(on), None, in_training=True, over_time=over_time)
            return
        for on in ("input", "state"):
            rate = rates.get(on)
            if rate is None and on not in affected:
                continue
            outcome = _of_response(pairs[on]) if on in affected and visible else None
            if on in affected and on in masks:
                outcome = _of_masks(masks[on], outcome)
            steps = over_time
            if outcome is not None and outcome.dropped and not _is_cell(self.layer):
                steps = 1 in outcome.shared_axes
            yield self._row(on, rate, outcome, in_training=on in affected, over_time=steps)

    def _masks(self, rows: int) -> dict[str, list[NDArray[Any]]]:
        """Return masks that the layer draws by its Keras' own means."""
        given = tensors_in(self.training.with_rows(rows).args)
        found: dict[str, list[NDArray[Any]]] = {}
        while sum(each.size for on in found.values() for each in on) < WANTED_DRAWS:
            self.noise.forget_masks(self.layer)
            state = given[1] if len(given) > 1 else None
            drawn_now = self.noise.draw_masks(self.layer, given[0], state)
            if not drawn_now:
                break
            for key, masks in drawn_now.items():
                on = next(on for on, name in _RATES.items() if name == key)
                found.setdefault(on, []).extend(map(numbers_of, masks))
        self.noise.forget_masks(self.layer)
        return found

    def _response(
        self, replay: LayerReplay, rows: int, seed: int
    ) -> tuple[Responses, NDArray[Any]]:
        """Return the gradients by input and state, and the output, at small inputs."""
        import numpy as np
        import tensorflow as tf

        given = replay.with_rows(rows, small=True, seed=seed)
        floats = [each for each in tensors_in(given.args) if each.dtype.is_floating]
        targets = dict(zip(("input", "state"), floats, strict=False))
        random = np.random.default_rng(0)
        self.noise.forget_masks(self.layer)
        with tf.GradientTape() as tape:
            tape.watch(list(targets.values()))
            gave = [each for each in replay.call(given) if each.dtype.is_floating]
            weights = [tf.constant(random.standard_normal(each.shape[1:])) for each in gave]
            total = sum(
                tf.reduce_sum(tf.cast(each, "float64") * weight)
                for each, weight in zip(gave, weights, strict=True)
            )
        gradients = tape.gradient(total, targets)
        arrays = {on: numbers_of(each) for on, each in gradients.items() if each is not None}
        return arrays, numbers_of(gave[0])


def _of_response(pairs: list[tuple[NDArray[Any], NDArray[Any]]]) -> Drawn:
    """Return what gradients tell: the expectation, and the rate where one mask made them."""
    outcome = drawn(pairs)
    return outcome if is_mask(pairs) else replace(outcome, dropped=0.0, shared_axes=())


def _of_masks(masks: list[NDArray[Any]], response: Drawn | None) -> Drawn:
    """Return what masks tell, with the expectation of what they do where that was measured."""
    import numpy as np

    outcome = drawn([(np.ones_like(each), each) for each in masks])
    if response is None:
        return outcome
    return replace(outcome, expectation=response.expectation, error=response.error)


def _alike(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return all(bool((a == b).all()) for a, b in zip(one, other, strict=True))


def _close(one: NDArray[Any], other: NDArray[Any], share: float, floor: float = 0.0) -> bool:
    """Whether two arrays differ by less than a share of the larger numbers in the first."""
    import numpy as np

    scale = max(float(np.abs(one).max(initial=0)), floor)
    return float(np.abs(one - other).max(initial=0)) <= share * scale
