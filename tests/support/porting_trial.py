"""Port many layers at once, and compare what each gives in both Keras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support.porting_cases import INPUTS, Case

BATCHES = ((1, 5), (3, 9), (7, 5))
NOT_PREDICTED = frozenset({"LayerNormalization(axis=[1, 2])"})
"""Layers that Keras 2 itself cannot predict with: TensorFlow's optimizer of graphs breaks them."""
WORDS = np.array(["a", "b", "c", "d", "e", "A B", "a c!", "b"], object)


@dataclass(frozen=True)
class Outcome:
    """What became of one layer."""

    case: Case
    kind: str  # "equal", "within", "refused", "wrong"
    difference: float = 0.0
    said: str = ""


def built(case: Case) -> Any:
    """Return a model of Keras 2 around one layer."""
    import tf_keras

    tensors = [_input(kind, place) for place, kind in enumerate(case.inputs)]
    layer = case.make(tf_keras.layers)
    outputs = call(case, layer, tensors)
    return tf_keras.Model(tensors, outputs)


def call(case: Case, layer: Any, tensors: Sequence[Any]) -> Any:
    if case.class_name == "MultiHeadAttention":
        return layer(*tensors)
    return layer(list(tensors) if len(tensors) > 1 else tensors[0])


def _input(kind: str, place: int) -> Any:
    import tf_keras

    shape, dtype = INPUTS[kind]
    return tf_keras.Input(shape, dtype=dtype)


def randomise(model: Any, seed: int = 0) -> None:
    """Give every weight of a model a number of its own."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        told = hasattr(weight, "assign") and None not in weight.shape
        if not told or weight.dtype.is_integer:
            continue
        values = random.standard_normal(weight.shape) * 0.5
        if "variance" in weight.name or "stddev" in weight.name:
            values = np.abs(values) + 0.5
        weight.assign(values.astype(weight.dtype.as_numpy_dtype))


def arrays(kinds: Sequence[str], batch: int, length: int, seed: int) -> list[np.ndarray]:
    """Return inputs of these kinds."""
    random = np.random.default_rng(seed)
    made = []
    for kind in kinds:
        shape, dtype = INPUTS[kind]
        sizes = (batch, *(length if size is None else size for size in shape))
        if dtype == "string":
            made.append(WORDS[random.integers(0, len(WORDS), sizes)])
        elif dtype.startswith("int"):
            made.append(random.integers(0, 6, sizes).astype(dtype))
        else:
            made.append((random.standard_normal(sizes)).astype(dtype))
    return made


def refusal(case: Case) -> str:
    """Return why a layer is not ported; nothing if it is."""
    from rewriter.live.reading import read_live
    from rewriter.porting import translate

    translation = translate(read_live(built(case)))
    return "; ".join(map(str, translation.refusals))


def ported(model: Any, place: Path) -> Any:
    """Return a model of Keras 3, written and loaded."""
    import keras

    from rewriter.live.reading import read_live
    from rewriter.porting import translate
    from rewriter.rebuild.ported import build

    translation = translate(read_live(model))
    assert not translation.refusals
    build(translation, model, {}).save(place)
    return keras.models.load_model(place)


def tried(cases: Sequence[Case], folder: Path, *, predict: bool) -> Iterator[Outcome]:
    """Yield what becomes of each layer; those that take the same inputs in one model."""
    bundles: dict[tuple[tuple[str, ...], bool], list[Case]] = {}
    for case in cases:
        said = refusal(case)
        if said:
            yield Outcome(case, "refused", said=said)
        else:
            predicted = predict and str(case) not in NOT_PREDICTED
            bundles.setdefault((case.inputs, predicted), []).append(case)
    for number, ((kinds, predicted), bundle) in enumerate(bundles.items()):
        yield from _bundled(bundle, kinds, number, folder, predicted)


def _bundled(
    bundle: Sequence[Case], kinds: Sequence[str], number: int, folder: Path, predict: bool
) -> Iterator[Outcome]:
    """Yield what becomes of layers that take the same inputs; each alone if one of them fails."""
    import tf_keras

    try:
        tensors = [_input(kind, place) for place, kind in enumerate(kinds)]
        outputs = {
            f"case_{place}": call(case, case.make(tf_keras.layers), tensors)
            for place, case in enumerate(bundle)
        }
        model = tf_keras.Model(tensors, outputs)
        randomise(model, number)
        predict = predict and _can_predict(model, kinds)
        new = ported(model, folder / f"bundle_{number}.keras")
        found = list(_compared(bundle, kinds, model, new, predict))
    except Exception as error:
        if len(bundle) == 1:
            found = [Outcome(bundle[0], "wrong", said=f"{type(error).__name__}: {error}"[:300])]
        else:
            found = [
                each
                for place, case in enumerate(bundle)
                for each in _bundled([case], kinds, 1000 * number + place, folder, predict)
            ]
    yield from found


def _can_predict(model: Any, kinds: Sequence[str]) -> bool:
    """Whether a model of Keras 2 itself predicts; of several layers, all of them must."""
    try:
        _predict(model, arrays(kinds, 1, 5, 0))
        return True
    except Exception:
        if len(model.output_names) > 1:
            raise
        return False


def _compared(
    bundle: Sequence[Case], kinds: Sequence[str], model: Any, new: Any, predict: bool
) -> Iterator[Outcome]:
    worst = [0.0] * len(bundle)
    said = [""] * len(bundle)
    for seed, (batch, length) in enumerate(BATCHES):
        given = arrays(kinds, batch, length, seed)
        for run in (_eager, _predict)[: 1 + predict]:
            old_outputs, new_outputs = run(model, given), run(new, given)
            for place in range(len(bundle)):
                pair = old_outputs[f"case_{place}"], new_outputs[f"case_{place}"]
                gap, why = difference(*pair)
                worst[place], said[place] = max(worst[place], gap), said[place] or why
    for case, gap, why in zip(bundle, worst, said, strict=True):
        kind = "equal" if gap == 0 and not why else "within" if gap <= 4e-6 and not why else "wrong"
        yield Outcome(case, kind, gap, why)


def _eager(model: Any, given: Sequence[Any]) -> Mapping[str, Any]:
    import tensorflow as tf

    return model([tf.convert_to_tensor(each) for each in given], training=False)


def _predict(model: Any, given: Sequence[Any]) -> Mapping[str, Any]:
    import tensorflow as tf

    return model.predict(tf.data.Dataset.from_tensors((tuple(given),)), verbose=0)


def difference(old: Any, new: Any) -> tuple[float, str]:
    """Return the greatest difference, in parts of the greatest output, and what else differs."""
    import tensorflow as tf

    worst = 0.0
    for one, other in zip(tf.nest.flatten(old), tf.nest.flatten(new), strict=True):
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape:
            return float("inf"), f"{a.shape} and {b.shape}"
        if a.dtype.kind not in "fiub":
            worst = max(worst, 0.0 if (a == b).all() else float("inf"))
            continue
        a, b = a.astype("float64"), b.astype("float64")
        scale = np.abs(a[np.isfinite(a)]).max(initial=0.0) or 1.0
        gap = np.where(a == b, 0.0, np.abs(a - b))
        gap = np.where(np.isnan(a) & np.isnan(b), 0.0, gap)
        worst = max(worst, float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0)) / scale)
    return worst, ""


def gap(model: Any, new: Any, given: Sequence[Any]) -> float:
    """Return how far the outputs of two models are apart on inputs, run eagerly."""
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(each) for each in given]
    one = tensors if len(tensors) > 1 else tensors[0]
    worst, why = difference(model(one, training=False), new(one, training=False))
    return float("inf") if why else worst


def padded_ids(batch: int, length: int, seed: int, high: int = 9) -> np.ndarray:
    """Return ids of which some sequences are padded, in front or behind."""
    random = np.random.default_rng(seed)
    ids = random.integers(1, high, (batch, length))
    for row, steps in enumerate(random.integers(0, length - 1, batch)):
        if steps and row % 2:
            ids[row, :steps] = 0
        elif steps:
            ids[row, -steps:] = 0
    return ids.astype("int32")
