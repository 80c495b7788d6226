"""Choose the loss of a rehearsal: the model's own, where it can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rewriter.live.adapters import Live, LiveKeras, TrainingKeras, training_keras

MADE_UP = "mean squares"

_Target = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss with targets made for it.

    Parameters
    ----------
    name : str
        To show.
    of : callable
        Given what the model gave, in its structure, returns the loss, regularizers included.
    """

    name: str
    of: Callable[[Any], Any]


def made_up(model: Live) -> Loss:
    """Return the mean squares of what a model gives, about 0.5."""
    import tensorflow as tf

    def of(outputs: Any) -> Any:
        floats = [each for each in tf.nest.flatten(outputs) if each.dtype.is_floating]
        squares = [tf.reduce_mean(tf.square(tf.cast(each, "float32") - 0.5)) for each in floats]
        return sum(
            [*squares, *(tf.cast(each, "float32") for each in model.losses)], tf.constant(0.0)
        )

    return Loss(MADE_UP, of)


def own_loss(keras: LiveKeras, original: Live, copy: Live, outputs: Any) -> Loss | None:
    """Return the loss that a model was compiled with, for its copy, which gets compiled.

    Parameters
    ----------
    keras : LiveKeras
        Of both.
    original, copy : live model
        The model, and what is trained.
    outputs : tensors
        What the copy gave: the targets are made for it, numbers of 0.5 or the first class.

    Returns
    -------
    Loss or None
        None where the model is not compiled, or its loss takes no such targets.
    """
    import tensorflow as tf

    training = training_keras(keras.keras)
    if not training.is_compiled(original):
        return None
    arguments = training.compile_arguments(original)
    loss = arguments.get("loss")
    if loss is None:
        return None
    names = training.output_names(original)
    for targets in _kinds(loss, names, len(tf.nest.flatten(outputs))):
        try:
            copy.compile(loss=loss, loss_weights=arguments.get("loss_weights"))
            of = _with_targets(training, copy, targets)
            if bool(tf.math.is_finite(of(outputs))):
                return Loss(_name(loss), of)
        except Exception:  # the loss asks for other targets
            continue
    return None


def _with_targets(
    training: TrainingKeras, copy: Live, targets: list[_Target]
) -> Callable[[Any], Any]:
    import tensorflow as tf

    def of(outputs: Any) -> Any:
        flat = tf.nest.flatten(outputs)
        made = [target(each) for target, each in zip(targets, flat, strict=True)]
        return tf.cast(
            training.loss_of(copy, tf.nest.pack_sequence_as(outputs, made), outputs), "float32"
        )

    return of


def _kinds(loss: Any, names: list[str], number: int) -> Iterator[list[_Target]]:
    """Yield kinds of targets to try: what the names of the losses say, numbers, classes."""
    if isinstance(loss, Mapping):
        each = [loss.get(name) for name in names] if len(names) == number else [None] * number
    else:
        each = list(loss) if isinstance(loss, list | tuple) else [loss] * number
    if len(each) == number:
        yield [_classes if "sparse" in _name(one).lower() else _numbers for one in each]
    yield [_numbers] * number
    yield [_classes] * number


def _numbers(output: Any) -> Any:
    import tensorflow as tf

    return tf.fill(tf.shape(output), tf.cast(0.5, output.dtype))


def _classes(output: Any) -> Any:
    import tensorflow as tf

    return tf.zeros(tf.shape(output)[:-1], "int32")


def _name(loss: Any) -> str:
    if isinstance(loss, Mapping):
        return ", ".join(map(_name, loss.values()))
    if isinstance(loss, list | tuple):
        return ", ".join(map(_name, loss))
    if isinstance(loss, str):
        return loss
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__))
