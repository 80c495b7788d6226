"""Judge rewritten files with Keras alone: this process never imports the rewriter but its layers.

Given a Keras and a folder of pairs of files with inputs, it prints one JSON line a pair.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np


def flat(outputs):
    if isinstance(outputs, dict):
        outputs = [outputs[key] for key in sorted(outputs)]
    return [
        np.asarray(one) for one in (outputs if isinstance(outputs, list | tuple) else [outputs])
    ]


def reset(model):
    for layer in model.layers:
        if getattr(layer, "stateful", False) and hasattr(
            layer, "reset_states" if hasattr(layer, "reset_states") else "reset_state"
        ):
            getattr(layer, "reset_states" if hasattr(layer, "reset_states") else "reset_state")()


def outputs_of(model, data):
    given = {name: data[name] for name in (each.name.partition(":")[0] for each in model.inputs)}
    if len(given) == 1:
        (given,) = given.values()
    elif not isinstance(model.input, dict):
        given = list(given.values())
    import tensorflow as tf

    tensors = tf.nest.map_structure(tf.constant, given)
    reset(model)
    eager = flat(model(tensors, training=False))
    reset(model)
    return eager, flat(model.predict(tensors, batch_size=4, verbose=0))


def difference(one, other):
    if len(one) != len(other) or any(a.shape != b.shape for a, b in zip(one, other, strict=True)):
        return float("inf")
    gaps = [abs(a.astype("float64") - b.astype("float64")) for a, b in zip(one, other, strict=True)]
    worst = max(float(gap.max(initial=0.0)) for gap in gaps)
    return float("inf") if np.isnan(worst) else worst


def main(number: int, folder: Path) -> None:
    keras = importlib.import_module("tf_keras" if number == 2 else "keras")
    importlib.import_module(f"rewriter.layers.keras{number}")
    for module in ("recipes.sequences", "recipes.further"):
        for own in importlib.import_module(module).CUSTOM:
            own(keras)
    known: dict[str, object] = {}
    for pair in sorted(folder.glob("*.json")):
        task = json.loads(pair.read_text())
        try:
            data = dict(np.load(task["data"], allow_pickle=True))
            if task["before"] not in known:
                known[task["before"]] = outputs_of(keras.models.load_model(task["before"]), data)
            after = outputs_of(keras.models.load_model(task["after"]), data)
            gaps = [difference(*both) for both in zip(known[task["before"]], after, strict=True)]
            print(json.dumps({"task": pair.stem, "gaps": gaps}), flush=True)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"[:300]
            print(json.dumps({"task": pair.stem, "error": said}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
