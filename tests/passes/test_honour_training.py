"""honour-training makes training=True draw at inference in Keras 3."""

from __future__ import annotations

import numpy as np
import pytest
from support.checking import (
    by_refusal,
    check_refusal,
)
from support.noise_models import (
    drop,
    gru,
    steps,
    with_training_true,
)

import rewriter
from rewriter.pipeline import Guarantee

REFUSALS = [
    ("honour-training", with_training_true(drop()), "Keras 2 honours its training=True", (2,)),
    (
        "honour-training",
        with_training_true(gru(dropout=0.5)),
        "its rate is inside the layer",
        (3,),
    ),
    (
        "honour-training",
        with_training_true(steps()),
        "TimeDistributed is around it",
        (3,),
    ),
    (
        "honour-training",
        with_training_true(drop("GaussianDropout")),
        "only Dropout can be always on, not GaussianDropout",
        (3,),
    ),
]


@by_refusal(REFUSALS)
def test_it_says_why_it_declines(wanted, model, words, dialect):
    check_refusal(model(dialect.keras), wanted, words)


@pytest.mark.parametrize("outer", [False, True])
def test_what_keras_3_ignores_is_honoured_and_verified_in_distribution(dialect, outer, tmp_path):
    layers = dialect.keras.layers
    inner_in = layers.Input((None, 4))
    noise = layers.SpatialDropout1D(0.25, name="mc")
    inner = dialect.keras.Model(
        inner_in, noise(inner_in) if outer else noise(inner_in, training=True), name="inner"
    )
    inputs = layers.Input((None, 4), name="x")
    model = dialect.keras.Model(inputs, inner(inputs, training=True) if outer else inner(inputs))
    result = rewriter.rewrite(model, ["honour-training"], output=tmp_path / "m.keras")
    assert result.verification.ok
    if dialect.number == 2:
        assert result.plan.changes == ()
        assert "Keras 2 honours" in result.plan.notes[0].reason
        return
    assert result.plan.guarantee is Guarantee.CHANGED_ON_PURPOSE
    measured = result.verification.distribution.noise
    assert [each.layer for each in measured] == ["inner/mc"]
    assert measured[0].ok
    reloaded = dialect.keras.models.load_model(tmp_path / "m.keras")
    outputs = reloaded.predict(np.ones((64, 3, 4), "float32"), verbose=0)
    assert 0.05 < (outputs == 0).mean() < 0.5
    assert rewriter.plan(reloaded, ["honour-training"]).changes == ()
