"""Every layer of tf_keras.layers, every argument that changes inference, in both Keras."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest
from support.porting_cases import ELSEWHERE, NO_MATTER, TABLE, arguments, cases, classes
from support.porting_trial import built, tried

from rewriter.porting.layers import RULES, UNCHANGED, rules
from rewriter.report.port_tables import port_page

NO_COUNTERPART = {
    "LocallyConnected1D": None,
    "LocallyConnected2D": None,
    "RandomHeight": None,
    "RandomWidth": None,
    "BatchNormalization": "axis=[1, 2]",
    "UpSampling2D": "interpolation",
    "Resizing": "interpolation",
    "MultiHeadAttention": "softmax_robust_masking",  # no argument of Keras 3 does that
    "TextVectorization": "ragged",
}
"""What PORT found to have none; and two arguments that no layer of Keras 3 takes."""


def chosen(*, every):
    """Return the cases: the plain one of each class, or all of them."""
    import tf_keras

    return [case for case in cases(tf_keras.layers) if every or not case.argument]


@pytest.fixture(autouse=True)
def _input_spec_of_tf_keras(monkeypatch):
    """SpectralNormalization of tf_keras asks tf.keras, which may be Keras 3."""
    import tensorflow as tf
    import tf_keras

    monkeypatch.setattr(tf.keras.layers, "InputSpec", tf_keras.layers.InputSpec)


def judged(every, folder, predict):
    outcomes = list(tried(chosen(every=every), folder, predict=predict))
    counts = collections.Counter(outcome.kind for outcome in outcomes)
    by_class: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for outcome in outcomes:
        by_class[outcome.case.class_name][outcome.kind] += 1
    for name, found in sorted(by_class.items()):
        print(f"{name:<24} {dict(found)}")
    print(len(outcomes), dict(counts))
    wrong = [
        f"{each.case}: {each.difference} {each.said}" for each in outcomes if each.kind == "wrong"
    ]
    assert not wrong
    for outcome in outcomes:
        if outcome.kind == "refused":
            name = outcome.case.class_name
            assert name in NO_COUNTERPART, str(outcome)
            assert (NO_COUNTERPART[name] or "") in str(outcome.case)
    return counts


def test_each_class_gives_what_it_gave(tmp_path):
    counts = judged(every=False, folder=tmp_path, predict=False)
    assert counts["equal"] >= 75
    assert counts["within"] <= 6


@pytest.mark.long
def test_each_argument_of_each_class_gives_what_it_gave(tmp_path):
    counts = judged(every=True, folder=tmp_path, predict=True)
    ported = counts["equal"] + counts["within"]
    assert ported >= 500
    assert counts["equal"] >= 0.9 * ported


def test_each_class_and_each_argument_is_tried():
    import tf_keras

    layers = tf_keras.layers
    for name in classes(layers):
        if name in ELSEWHERE or (name in rules() and rules()[name].refuse):
            continue
        row = TABLE[name]
        tried_here = {*row.get("base", {}), *row["values"]}
        missing = [each for each in arguments(layers, name) if each not in tried_here]
        assert not missing, name


def test_each_class_stands_in_the_tables():
    import tf_keras

    known = {*UNCHANGED, *rules(), "InputLayer", "TFOpLambda", "SlicingOpLambda"}
    assert set(classes(tf_keras.layers)) <= known


def test_every_row_says_where_it_was_seen():
    assert all(rule.source or rule.refuse for rule in RULES)
    assert not set(UNCHANGED) & set(rules())
    assert NO_MATTER


def test_a_case_that_is_built_has_weights_of_its_own():
    case = next(each for each in chosen(every=False) if each.class_name == "Dense")
    assert built(case).weights


def test_the_page_of_the_tables_is_made_from_them():
    page = Path(__file__).parents[2] / "docs" / "reference" / "porting.md"
    assert page.read_text(encoding="utf-8") == port_page()
