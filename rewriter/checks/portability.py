"""Find models that run code, or that another Keras cannot load or computes otherwise (RW5xx)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rewriter.analysis.shapes import INPUT_SHAPE_KEY
from rewriter.checks.checked_model import CheckedModel, LayerCall
from rewriter.checks.code import Code, Problem
from rewriter.saved.safety.dangers import dangers

_LONG = 64
"""Lists of a config that are longer hold data."""


def marshalled_code(model: CheckedModel) -> Iterator[Problem]:
    """Find what runs code, or reads or writes files, when the model is loaded or run."""
    for document in model.documents:
        for danger in dangers(document):
            if not danger.missing:
                yield Problem(danger.layer, f"{danger.class_name} {danger.what}")
    for where, what in model.references:
        yield Problem(where, f"what the file holds {what}")
    if model.documents:
        return
    for place in model.layers():
        if _holds_code(place.layer.class_name, place.config):
            yield Problem(
                place.path,
                f"{place.layer.class_name} holds marshalled Python code: loading the model runs it",
            )


def _holds_code(class_name: str, config: Mapping[str, Any]) -> bool:
    if class_name == "Lambda" and config.get("function_type") == "lambda":
        return True
    if class_name == "Lambda" and isinstance(config.get("function"), list):
        return True
    pending: list[Any] = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict | Mapping):
            if value.get("class_name") == "__lambda__":
                return True
            pending.extend(value.values())
        elif isinstance(value, list) and len(value) <= _LONG:
            pending.extend(value)
    return False


# What Keras 3 takes in `.h5` files of Keras 2 and refuses in `.keras` files.
_REFUSED_IN_KERAS_FILES: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "BatchNormalization": lambda config: isinstance(config.get("axis"), list),
    "Embedding": lambda config: INPUT_SHAPE_KEY[2] in config,
    "Lambda": lambda config: "function_type" in config,
}


def keras3_cannot_load(model: CheckedModel) -> Iterator[Problem]:
    """Find what keeps Keras 3 from loading a model of Keras 2, once for each class of layer."""
    if model.keras != 2:
        return
    if model.format == "keras" and not model.graph.sequential:
        yield Problem("", "Keras 3 cannot load Functional models that Keras 2 saved as .keras")
    if model.format == "savedmodel":
        yield Problem("", "Keras 3 loads no SavedModel directories")
    slashed = [place.path for place in model.layers() if "/" in place.layer.name]
    if slashed:
        others = _and_more(slashed)
        yield Problem(slashed[0], f"Keras 3 takes no slash in the name of a layer{others}")
    refused: dict[tuple[str, str], list[str]] = {}
    for place in model.layers():
        reason = _refusal(place, model.format)
        if reason:
            refused.setdefault((place.layer.class_name, reason), []).append(place.path)
    for (class_name, reason), paths in refused.items():
        message = f"Keras 3 cannot load {class_name} as it is written here: {reason}"
        yield Problem(paths[0], message + _and_more(paths))


def _and_more(paths: Sequence[str]) -> str:
    return f", and {len(paths) - 1} more" if len(paths) > 1 else ""


def _refusal(place: LayerCall, format: str) -> str:
    class_name, config = place.layer.class_name, place.config
    # The tables of the port are read for models of Keras 2 alone: `check` starts faster.
    from rewriter.porting.layers import rules, without_class
    from rewriter.porting.operations import RECORDED

    if class_name in without_class() | RECORDED:
        return "it has no such layer"
    rule = rules().get(class_name)
    keys = [key for key in rule.fails_on if key in config] if rule is not None else []
    if keys:
        return f"it does not know {keys[0]}"
    refuses = _REFUSED_IN_KERAS_FILES.get(class_name)
    if format == "keras" and refuses is not None and refuses(config):
        return "its config has another form"
    return ""


def hard_sigmoid(model: CheckedModel) -> Iterator[Problem]:
    """Find activations that are another function in the other Keras."""
    if model.keras != 2:
        return
    from rewriter.porting.hard_sigmoid import keys_of

    for place in model.layers():
        keys = keys_of(place.config)
        if keys:
            yield Problem(
                place.path,
                f"{keys[0]}=hard_sigmoid is another function in Keras 3: outputs would change",
            )


CODES = (
    Code(
        "RW501",
        "marshalled-code",
        "the file holds or names code that runs when it is loaded",
        "A Lambda layer around a lambda is saved as marshalled bytecode. Whoever loads the file "
        "runs it, and it loads in the Python version that wrote it alone. Keras 2 asks nobody "
        "when it loads .h5 files. A file can also name what runs: a function of any module, a "
        "class that is no part of a model, an operation that writes files.",
        """
x = keras.Input((4,))
model = keras.Model(x, layers.Lambda(lambda value: value * 2)(x))
""",
        "runs it on loading .h5 files, and .keras files with safe_mode=False",
        "runs it on loading with safe_mode=False",
        "keras/src/layers/core/lambda_layer.py",
        marshalled_code,
    ),
    Code(
        "RW502",
        "keras3-cannot-load",
        "Keras 3 cannot load what Keras 2 saved",
        "Keras 3 reads files of Keras 2 as far as their configs fit its own layers. Recurrent "
        "layers, separable, depthwise and transposed convolutions, SpatialDropout, random "
        "preprocessing, TensorFlow operations and others do not, nor do layers with a slash in "
        "their name, nor Functional models in .keras files. `rewriter port` makes a file "
        "for Keras 3; `rewriter check --to keras3` tells what it would do, layer by layer.",
        """
x = keras.Input((7, 4))
model = keras.Model(x, layers.LSTM(2)(x))
""",
        "loads it; tf_keras does so for as long as it is installed",
        "",
        "seen by loading what tf_keras 2.21 saved into Keras 3.15.1; keras#20750",
        keras3_cannot_load,
        since="Keras 3.0",
    ),
    Code(
        "RW503",
        "hard-sigmoid",
        "an activation that is another function in Keras 3",
        "hard_sigmoid is clip(0.2 x + 0.5, 0, 1) in Keras 2 and relu6(x + 3) / 6 in Keras 3: the "
        "same name, another function. A model that is carried over gives other outputs; "
        "`rewriter port` keeps them.",
        """
x = keras.Input((7, 4))
model = keras.Model(x, layers.LSTM(2, recurrent_activation="hard_sigmoid")(x))
""",
        "clip(0.2 x + 0.5, 0, 1); Keras 3 computes relu6(x + 3) / 6",
        "",
        "tf_keras/src/backend.py and keras/src/activations/activations.py, `hard_sigmoid`",
        hard_sigmoid,
        since="Keras 3.0",
    ),
)
