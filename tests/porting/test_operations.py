"""Functions of TensorFlow that Keras 2 recorded: what stands for each gives the same."""

from __future__ import annotations

import collections

import numpy as np
from support.operation_cases import INPUTS, cases
from support.porting_trial import difference

from rewriter.errors import UnsupportedModelError
from rewriter.live.reading import read_live
from rewriter.porting import translate
from rewriter.rebuild.ported import build

LOST = {"einsum", "equal", "not_equal"}
"""Keras 2 itself cannot load these: it saves them without what they are called with."""


def recorded(kinds, functions):
    """Return a model of Keras 2 that calls functions on the same inputs."""
    import tf_keras

    made = [tf_keras.Input(INPUTS[kind][0], dtype=INPUTS[kind][1]) for kind in kinds]
    return tf_keras.Model(made, {name: each(*made) for name, each in functions.items()})


def given(kinds, batch, length):
    random = np.random.default_rng(batch)
    arrays = []
    for kind in kinds:
        shape, dtype = INPUTS[kind]
        sizes = (batch, *(length if size is None else size for size in shape))
        if dtype == "bool":
            arrays.append(random.random(sizes) > 0.5)
        elif dtype == "int32":
            arrays.append(random.integers(0, 6, sizes).astype(dtype))
        else:
            arrays.append(random.uniform(0.05, 0.95, sizes).astype(dtype))
    return arrays


def outcomes(folder):
    """Yield name, outcome and what was said, of each function; many in one model."""
    groups = collections.defaultdict(dict)
    for name, (kinds, function) in cases().items():
        groups[kinds][name.replace(" ", "_")] = function
    for kinds, functions in groups.items():
        held = {}
        for name, function in functions.items():
            said = refusal(kinds, name, function)
            if said is None:
                held[name] = function
            else:
                yield name, *said
        yield from judged(kinds, held, folder)


def refusal(kinds, name, function):
    """Return why a function is not carried; None where it is."""
    try:
        model = recorded(kinds, {name: function})
    except Exception as error:
        return "not recorded", f"{type(error).__name__}: {error}"
    try:
        refusals = translate(read_live(model)).refusals
    except UnsupportedModelError as error:
        return "refused", str(error)
    return ("refused", "; ".join(map(str, refusals))) if refusals else None


def judged(kinds, functions, folder):
    """Yield what becomes of functions in one model; each alone if that fails."""
    import keras
    import tensorflow as tf

    try:
        model = recorded(kinds, functions)
        translation = translate(read_live(model))
        build(translation, model, {}).save(folder / "new.keras")
        new = keras.models.load_model(folder / "new.keras")
        worst, why = dict.fromkeys(functions, 0.0), dict.fromkeys(functions, "")
        for batch, length in ((1, 5), (3, 4)):
            tensors = [tf.constant(each) for each in given(kinds, batch, length)]
            one = tensors if len(tensors) > 1 else tensors[0]
            old, now = model(one), new(one)
            for name in functions:
                gap, said = difference(old[name], now[name])
                if old[name].dtype != now[name].dtype:
                    said = f"{old[name].dtype} and {now[name].dtype}"
                worst[name], why[name] = max(gap, worst[name]), why[name] or said
    except Exception as error:
        if len(functions) == 1:
            yield next(iter(functions)), "wrong", f"{type(error).__name__}: {error}"[:400]
            return
        for name, function in functions.items():
            yield from judged(kinds, {name: function}, folder)
        return
    for name in functions:
        kind = "wrong" if why[name] or worst[name] > 4e-6 else "within" if worst[name] else "equal"
        yield name, kind, f"{worst[name]} {why[name]}"


def test_each_function_gives_what_it_gave(tmp_path):
    found = list(outcomes(tmp_path))
    counts = collections.Counter(kind for _, kind, _ in found)
    for name, kind, said in found:
        if kind != "equal":
            print(f"{name:<28} {kind:<12} {said}")
    print(len(found), dict(counts))
    assert not [each for each in found if each[1] == "wrong"]
    assert counts["equal"] >= 155
    refused = {name: said for name, kind, said in found if kind == "refused"}
    assert all("; " in said for said in refused.values())
    assert "tf.nn.dropout" in refused["dropout"] or "random" in refused["dropout"]
