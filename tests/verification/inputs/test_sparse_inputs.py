"""Models that take sparse or ragged tensors are verified with such."""

from __future__ import annotations

import pytest
from support.models import MODELS

import rewriter


@pytest.mark.parametrize(
    ("name", "number"), [("sparse_input", 2), ("sparse_input", 3), ("operations_of_keras_2", 2)]
)
def test_inputs_are_verified_in_the_form_that_the_model_takes(name, number):
    import keras
    import tf_keras

    model = MODELS[name].make(tf_keras if number == 2 else keras)
    result = rewriter.rewrite(model, ["strip-dropout"])
    assert len(result.plan.changes) == 1
    assert result.verification.ok
    assert {case.outcome for case in result.verification.cases} == {"equal"}
