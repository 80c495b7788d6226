"""What every test of a pass does: one table row in, the fixed questions out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from support.noise_models import everything

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


@dataclass(frozen=True)
class Row:
    """A model, its calls after a pass, and why the pass declines where it does."""

    wanted: str
    model: object
    calls: tuple[str, ...]
    notes: tuple[str, ...] = ()
    changed: bool = True
    dialects: tuple[int, ...] = field(default=(2, 3))

    def check(self, keras, folder):
        model, calls = self.model(keras), list(self.calls)
        check(keras, model, self.wanted, calls, folder, notes=self.notes, changed=self.changed)


def stays(wanted, model, calls, *notes, **options):
    return Row(wanted, model, calls, notes, changed=False, **options)


def by_row(rows):
    """Parametrise a test over rows by name, and the dialects of each."""
    pairs = [(row, number) for row in rows.values() for number in row.dialects]
    names = [f"{name}, Keras {number}" for name, row in rows.items() for number in row.dialects]
    return pytest.mark.parametrize(("row", "dialect"), pairs, indirect=["dialect"], ids=names)


def by_refusal(refusals):
    """Parametrise a test over (pass, model, words of the note, dialects, by default both)."""
    cases = [
        (wanted, model, words, number)
        for wanted, model, words, *dialects in refusals
        for number in (dialects[0] if dialects else (2, 3))
    ]
    names = [f"{wanted}: {words}, Keras {number}" for wanted, _, words, number in cases]
    arguments = ("wanted", "model", "words", "dialect")
    return pytest.mark.parametrize(arguments, cases, indirect=["dialect"], ids=names)


def check_refusal(model, wanted, words):
    """Ask for a note that says why, and no change of the layer that it names."""
    plan = rewriter.plan(model, [wanted])
    assert any(words in note.reason for note in plan.notes), [note.reason for note in plan.notes]
    touched = {change.layer for change in plan.changes}
    declined = {note.layer for note in plan.notes if words in note.reason}
    assert not touched & declined


def check_everything(keras, wanted, paths, folder):
    """Ask that a pass reaches these layers of `everything`, and does so for good."""
    result = rewriter.rewrite(everything(keras), [wanted], output=folder / "m.keras")
    touched = {change.layer for change in result.plan.changes}
    for path in paths:
        assert any(layer == path or layer.startswith(f"{path}/") for layer in touched), touched
    assert result.verification.ok
    assert result.verification.max_difference <= result.plan.tolerance
    reloaded = keras.models.load_model(folder / "m.keras")
    assert sorted(calls_of(rewriter.read(reloaded))) == sorted(calls_of(result.plan.after))
    assert rewriter.plan(reloaded, [wanted]).changes == ()
