"""Judge rewritten files with Keras alone: this process never imports the rewriter but its layers.

Given a Keras and a folder of pairs of files with inputs, it prints one JSON line a pair.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from recipes.register import MODULES


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


def content(path):
    """Return what a file holds, but for the date: files of the same content give the same."""
    with zipfile.ZipFile(path) as file:
        names = sorted(set(file.namelist()) - {"metadata.json"})
        return hashlib.sha256(b"".join(file.read(name) for name in names)).hexdigest()


def classes_of(library: str) -> dict[str, object]:
    """Return the classes that files of a library need and that it does not register."""
    if not library:
        return {}
    return dict(importlib.import_module("recipes.libraries").LIBRARIES[library].custom_objects())


def main(number: int, folder: Path, library: str) -> None:
    keras = importlib.import_module("tf_keras" if number == 2 else "keras")
    importlib.import_module(f"rewriter.layers.keras{number}")
    for module in MODULES:
        for own in importlib.import_module(f"recipes.{module}").CUSTOM:
            own(keras)
    load = partial(keras.models.load_model, safe_mode=False, custom_objects=classes_of(library))
    known: dict[tuple[str, str], object] = {}
    for pair in sorted(folder.glob("*.json")):
        task = json.loads(pair.read_text())
        try:
            data = dict(np.load(task["data"], allow_pickle=True))
            outputs = []
            for path in (task["before"], task["after"]):
                key = (task["data"], content(path))
                if key not in known:
                    known[key] = outputs_of(load(path), data)
                outputs.append(known[key])
            gaps = [difference(*both) for both in zip(*outputs, strict=True)]
            print(json.dumps({"task": pair.stem, "gaps": gaps}), flush=True)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"[:300]
            print(json.dumps({"task": pair.stem, "error": said}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
