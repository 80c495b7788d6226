"""Find dropout that does not do what it looks like (RW3xx)."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import NOISE, RECURRENT
from rewriter.analysis.misplaced_noise import batch_normalization_behind, drops_its_input
from rewriter.analysis.noise_at_inference import is_pinned
from rewriter.analysis.value_flow import gives_model_output
from rewriter.checks.checked_model import CheckedModel, noise_rate, without_wrappers
from rewriter.checks.code import Code, Problem
from rewriter.graph.calls import Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.nested import leaves

_RATES = ("dropout", "recurrent_dropout")


def _has_rate(layer: Layer) -> bool:
    """Whether a layer drops something in training alone, or one that it wraps does."""
    return any(
        isinstance(rate := each.config.get(key), int | float) and rate > 0
        for each in layer.walk()
        if not each.config.get("always_on")
        for key in (*_RATES, *(("rate",) if class_of(each) in NOISE else ()))
    )


def _has_noise(layer: Layer) -> bool:
    if layer.graph is None:
        return _has_rate(layer)
    return any(_has_rate(each) for graph in layer.graph.walk() for each in graph.layers)


def training_ignored(model: CheckedModel) -> Iterator[Problem]:
    """Find calls whose ``training=True`` Keras 3 ignores."""
    if model.keras != 3:
        return
    for place in model.calls():
        kwargs = place.arguments.kwargs
        if kwargs.get("training") is True and _has_noise(place.layer):
            yield Problem(
                place.path,
                "training=True is saved with the call and ignored: predict drops nothing",
            )


def noise_before_batchnorm(model: CheckedModel) -> Iterator[Problem]:
    """Find noise that feeds BatchNormalization, through activations if need be."""
    for place in model.noise:
        target = batch_normalization_behind(place.graph, place.call)
        if target is not None:
            where = place.graph.path_of(target)
            yield Problem(
                place.path,
                f"noise in front of BatchNormalization ({where}): the variance that it "
                "learns in training is not that of inference",
            )


def noise_on_output(model: CheckedModel) -> Iterator[Problem]:
    """Find noise that is the last thing before an output of the model."""
    ends = {id(graph): set(leaves(graph.outputs)) for graph in model.graph.walk()}
    for place in model.noise:
        if Tensor(place.call) not in ends[id(place.graph)]:
            continue
        if place.graph is model.graph or gives_model_output(place.graph, place.call):
            if is_pinned(place.layer, place.arguments.kwargs, model.keras):
                continue
            yield Problem(
                place.path,
                "noise on the model's output: in training the loss sees zeros and scaled-up "
                "values in place of the prediction",
            )


def noise_twice(model: CheckedModel) -> Iterator[Problem]:
    """Find noise behind noise: a layer, or the `dropout` of a recurrent one, is on its input."""
    for place in model.noise:
        for target in map(without_wrappers, place.consumers):
            if class_of(target.layer) in NOISE and noise_rate(target) > 0:
                found = f"noise behind noise ({place.path})"
            elif drops_its_input(target.layer):
                found = f"its dropout is behind noise ({place.path})"
            else:
                continue
            yield Problem(target.path, f"{found}: together they add more noise than either says")


def dead_noise(model: CheckedModel) -> Iterator[Problem]:
    """Find noise layers with a rate of 0."""
    for place in model.layers(NOISE):
        key = "stddev" if place.layer.class_name == "GaussianNoise" else "rate"
        value = place.config.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
            yield Problem(place.path, f"{key}=0: the layer does nothing")


def frozen_noise(model: CheckedModel) -> Iterator[Problem]:
    """Find noise layers that were frozen, which does not stop them."""
    for place in model.noise:
        if place.config.get("trainable") is False and place.call.number == 0:
            if place.arguments.kwargs.get("training") is False and model.keras == 2:
                continue
            yield Problem(
                place.path,
                "trainable=False does not stop noise: in training it is as noisy as before",
            )


def implementation_1(model: CheckedModel) -> Iterator[Problem]:
    """Find the cells of Keras 3 whose dropout fails in fit."""
    if model.keras != 3 or not model.reaches((3, 8)):
        return
    for place in model.layers({"LSTM", "GRU", "LSTMCell", "GRUCell"}):
        rates = [place.number(key) for key in _RATES]
        if place.config.get("implementation") == 1 and rates[0] > 0 and rates[1] == 0:
            yield Problem(
                place.path,
                "implementation=1 with dropout and no recurrent_dropout: fit fails",
            )


def frozen_recurrent_noise(model: CheckedModel) -> Iterator[Problem]:
    """Find frozen recurrent layers that still drop."""
    for place in model.layers(RECURRENT):
        if place.config.get("trainable") is False and any(place.number(key) for key in _RATES):
            yield Problem(
                place.path,
                "trainable=False does not stop its dropout: in training it drops as before",
            )


def _frozen(model: CheckedModel) -> Iterator[Problem]:
    """Find frozen noise: one finding for each layer, or for all that one nested model has."""
    nested: dict[str, list[Problem]] = {}
    for found in (*frozen_noise(model), *frozen_recurrent_noise(model)):
        base = "/".join(_frozen_model(model, found.layer))
        if base:
            nested.setdefault(base, []).append(found)
        else:
            yield found
    for base, those in nested.items():
        several = f"does not stop the noise of its {len(those)} layers"
        what = several if len(those) > 1 else f"does not stop the noise of {those[0].layer}"
        yield Problem(base, f"trainable=False {what}: in training they drop as before")


def _frozen_model(model: CheckedModel, path: str) -> tuple[str, ...]:
    """Return the path of the outermost nested model that a layer is in; () for none."""
    inside = [
        each.path for each in model.graph.walk() if path.startswith("/".join(each.path) + "/")
    ]
    return min((each for each in inside if each), key=len, default=())


CODES = (
    Code(
        "RW301",
        "training-ignored",
        "a baked-in training=True that this Keras ignores",
        "Monte Carlo dropout is written Dropout(p)(x, training=True). Keras 3 saves it, and "
        "ignores it whenever the model is called with training=False, as predict does: the model "
        "gives one and the same answer, and its spread reads as certainty.",
        """
x = keras.Input((4,))
y = layers.Dropout(0.5)(x, training=True)
model = keras.Model(x, layers.Dense(2)(y))
""",
        "",
        "predict drops nothing; Keras 2 honours it",
        "seen with Keras 3.15.1; keras#20285",
        training_ignored,
        fix="honour-training",
        since="Keras 3.3",
    ),
    Code(
        "RW302",
        "noise-before-batchnorm",
        "noise stands in front of BatchNormalization",
        "Noise adds variance in training and none at inference. BatchNormalization learns the "
        "variance of training and divides by it at inference: a shift that no layer undoes. "
        "Moving the noise behind it leaves inference as it is; the stored variance stays stale "
        "until it is estimated again.",
        """
x = keras.Input((4,))
y = layers.BatchNormalization()(layers.Dropout(0.5)(x))
model = keras.Model(x, layers.Dense(2)(y))
""",
        "the moving variance holds the noise",
        "the moving variance holds the noise",
        "arXiv 1801.05134",
        noise_before_batchnorm,
        fix="move-dropout:recurrent=false,masking=false",
    ),
    Code(
        "RW303",
        "noise-on-output",
        "noise is the last layer of the model",
        "In training the prediction itself is dropped or scaled before the loss sees it: "
        "probabilities no longer sum to 1, and logarithms of 0 may appear.",
        """
x = keras.Input((4,))
y = layers.Dense(2, activation="softmax")(x)
model = keras.Model(x, layers.Dropout(0.5)(y))
""",
        "the loss is taken of dropped predictions",
        "the loss is taken of dropped predictions",
        "follows from what Dropout does",
        noise_on_output,
    ),
    Code(
        "RW304",
        "noise-twice",
        "two noise layers in a row",
        "Two Dropout layers of 0.5 in a row drop 75 % of the units. Often one of them was left "
        "behind when another was added. The dropout of a recurrent layer is noise on its input, "
        "too: Dropout in front of LSTM(dropout=0.5) is noise twice.",
        """
x = keras.Input((4,))
y = layers.Dropout(0.5, name="second")(layers.Dropout(0.5, name="first")(x))
model = keras.Model(x, layers.Dense(2)(y))
""",
        "both drop",
        "both drop",
        "follows from what Dropout does",
        noise_twice,
    ),
    Code(
        "RW305",
        "dead-noise",
        "a noise layer with rate 0",
        "The layer is the identity in training too. It is harmless, and it misleads whoever "
        "reads the model.",
        """
x = keras.Input((4,))
y = layers.Dropout(0.0)(x)
model = keras.Model(x, layers.Dense(2)(y))
""",
        "nothing is dropped",
        "nothing is dropped",
        "follows from what Dropout does",
        dead_noise,
        fix="strip-dropout",
    ),
    Code(
        "RW306",
        "frozen-noise",
        "trainable=False is expected to stop noise",
        "trainable decides whether weights are updated; noise layers have none. In fit a frozen "
        "Dropout drops as before. Keras 3 ignores a training=False in the call as well, which "
        "Keras 2 honours. Set the rate to 0, or take the noise out with strip-dropout.",
        """
x = keras.Input((4,))
y = layers.Dropout(0.5, trainable=False)(x)
model = keras.Model(x, layers.Dense(2)(y))
""",
        "drops in training as before",
        "drops in training as before",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        _frozen,
        fix="strip-dropout",
    ),
    Code(
        "RW307",
        "implementation-1-dropout",
        "implementation=1 with dropout fails in fit",
        "With implementation=1, dropout above 0 and recurrent_dropout 0, Keras 3 gives an LSTM "
        "or GRU noise of a rank too high. Keras 3 writes implementation into no file and loads the "
        "layer with 2, so this is seen in live models, and in configs that were written by hand.",
        """
config = layers.LSTM(2, dropout=0.5).get_config() | {"implementation": 1}
x = keras.Input((7, 4))
model = keras.Model(x, layers.LSTM.from_config(config)(x))
""",
        "",
        'fit fails: "Shape must be at most rank 3 but is rank 4"',
        "seen with Keras 3.15.1",
        implementation_1,
        fix="externalise-dropout",
        since="Keras 3.8",
    ),
)
