"""The mask flow agrees with Keras: every built-in layer, measured with the installed Keras."""

import inspect

import numpy as np
from support.built_in import CANNOT_BE_BUILT, NOT_CALLED, cases
from support.oracle import array, evaluated, mask_for, predicted, run

from rewriter.analysis.masks import NO_MASK


def classes(layers):
    found = (getattr(layers, name) for name in dir(layers))
    return {
        each.__name__ for each in found if inspect.isclass(each) and issubclass(each, layers.Layer)
    }


def test_every_built_in_layer_is_measured(dialect):
    layers = dialect.keras.layers
    measured = {case.class_name for case in cases(layers)}
    left_out = {*NOT_CALLED, *CANNOT_BE_BUILT[dialect.number], "Lambda"}
    assert classes(layers) - measured - left_out == set()


def test_the_table_says_of_every_built_in_layer_what_keras_does(dialect, recwarn):
    random = np.random.default_rng(0)
    disagreements, count = {}, 0
    for case in cases(dialect.keras.layers):
        dialect.keras.utils.set_random_seed(1)
        layer = case.make(dialect.keras.layers)
        arrays = [array(kind, random) for kind in case.inputs]
        masks = [
            mask_for(kind, random) if masked else None
            for kind, masked in zip(case.inputs, case.masked, strict=True)
        ]
        carried = run(layer, case, arrays, masks)
        flow = predicted(layer, case, dialect.number, dialect.keras.layers.serialize)
        count += 1
        said = disagreement(case, carried, flow, masks)
        if said:
            disagreements[case.name] = said
    print(f"{count} layers")
    assert not disagreements, "\n".join(f"{name}: {said}" for name, said in disagreements.items())


def disagreement(case, carried, flow, masks):
    """Return what Keras does otherwise than predicted, or nothing."""
    if bool(carried.fails) != bool(flow.fails):
        return f"Keras fails with {carried.fails[:100]!r}, predicted {flow.fails!r}"
    if carried.fails:
        return ""
    if not all(mask.known for mask in flow.masks_out):
        return "what the layer does is not known"
    given = dict.fromkeys(source for mask in flow.masks_in for source in mask.sources)
    values = dict(zip(given, (mask for mask in masks if mask is not None), strict=True))
    for number, mask in enumerate(carried.masks):
        expected = flow.masks_out[number] if number < len(flow.masks_out) else NO_MASK
        if bool(expected) != (mask is not None):
            return f"output {number}: mask {mask is not None}, predicted {expected}"
        if mask is None or set(expected.sources) - set(values):
            continue  # the mask of the layer itself: there is one, as predicted
        if not np.array_equal(evaluated(expected, values, mask.shape), mask):
            return f"output {number}: another mask than {expected}"
    if carried.uses != flow.uses:
        return f"uses the mask: {carried.uses}, predicted {flow.uses}"
    return ""
