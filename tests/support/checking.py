"""What every test of a pass does: one table row in, the fixed questions out."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

import rewriter
from rewriter.analysis.noise_at_inference import draws_at_inference
from rewriter.dialects import decode
from rewriter.live import live_keras
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.specs import input_specs


def calls_of(graph):
    """Return every call but the inputs as ``path Class``, nested and wrapped layers included."""
    return [
        f"{'/'.join((*inner.path, str(call)))} {told(inner.layer(call))}"
        for inner in graph.walk()
        for call in inner.calls()
        if inner.layer(call).class_name != "InputLayer"
    ]


def told(layer):
    wrapped = [told(inner) for inner in layer.inner.values()]
    return f"{layer.class_name}({', '.join(wrapped)})" if wrapped else layer.class_name


@dataclass(frozen=True)
class Rewritten:
    """A rewrite that answered all the questions, to ask more."""

    result: rewriter.Result
    reloaded: object

    def layer(self, path):
        *outer, name = path.split("/")
        graph = next(each for each in self.result.plan.after.walk() if each.path == tuple(outer))
        return graph.layer(name)


def check(keras, model, wanted, calls, folder, *, notes=(), changed=True, ending=".keras"):
    """Rewrite a model and ask what each pass is asked; return what came of it."""
    target = folder / f"rewritten{ending}"
    result = rewriter.rewrite(model, [wanted], output=target)
    plan = result.plan
    assert calls_of(plan.after) == calls
    assert bool(plan.changes) == changed
    assert len(plan.notes) == len(notes), plan.notes
    for note, words in zip(plan.notes, notes, strict=True):
        assert words in f"{note.layer}: {note.reason}"
    json.dumps(plan.to_json(), default=str)
    assert result.verification.ok
    assert result.verification.max_difference <= plan.tolerance
    reloaded = keras.models.load_model(target)
    same_outputs(result.model, reloaded, plan.keras)
    assert sorted(calls_of(rewriter.read(target))) == sorted(calls)
    again = rewriter.plan(reloaded, [wanted])
    assert again.changes == ()
    return Rewritten(result, reloaded)


def same_outputs(one, other, number):
    graph = decode(live_keras(number).document(one), number)
    if draws_at_inference(graph):
        return
    arrays = make_inputs(input_specs(graph), 3, 7, 0, zeros=True)
    arrays = arrays[0] if len(arrays) == 1 else list(arrays)
    for a, b in zip(_flat(one(arrays)), _flat(other(arrays)), strict=True):
        np.testing.assert_array_equal(a, b)


def _flat(outputs):
    return outputs if isinstance(outputs, list | tuple) else [outputs]
