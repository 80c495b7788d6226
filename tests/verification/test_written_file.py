"""The written file is loaded by Keras and compared with the model that it was written from."""

import numpy as np
import pytest
from hard_models import dense
from wrong_passes import Right, as_pass, insert_dropout

import rewriter
from rewriter.errors import ModelWriteError


def right_pass(name="hidden"):
    return as_pass(Right("noise", dense, insert_dropout(name)))


def backbone(k):
    """A model with an Embedding that stands in it, and in a model nested in it."""
    kl = k.layers
    ids = k.Input((5,), dtype="int32", name="ids")
    table = kl.Embedding(9, 4, name="table")
    inner = k.Model(ids, kl.Dense(3, name="dense")(table(ids)), name="backbone")
    x = k.Input((5,), dtype="int32", name="x")
    y = kl.Concatenate(name="join")([inner(x), table(x)])
    return k.Model(x, kl.Dropout(0.5, name="drop")(y))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_the_verification_says_what_was_compared_of_the_file(dialect, tmp_path, ending):
    output = tmp_path / f"out{ending}"
    result = rewriter.rewrite(dense(dialect.keras), [right_pass()], output=output)
    assert result.verification.written == "Keras loads it, with the same weights and outputs"
    assert "the written file: Keras loads it" in str(result.verification)


def test_what_keras_cannot_load_is_not_written_and_the_layer_is_named(dialect, tmp_path):
    output = tmp_path / "out.keras"
    with pytest.raises(ModelWriteError, match=r"layer .*table.* own save of the original either"):
        rewriter.rewrite(backbone(dialect.keras), ["strip-dropout"], output=output)
    assert list(tmp_path.iterdir()) == []


def test_the_same_model_is_written_in_a_format_that_keras_loads(dialect, tmp_path):
    output = tmp_path / "out.h5"
    model = backbone(dialect.keras)
    rewriter.rewrite(model, ["strip-dropout"], output=output)
    x = np.arange(10).reshape(2, 5) % 9
    loaded = dialect.keras.models.load_model(output)
    np.testing.assert_array_equal(model(x), loaded(x))


@pytest.mark.parametrize("wrong", ["weights", "outputs"])
def test_a_file_that_keras_loads_as_another_model_is_not_written(
    dialect, tmp_path, monkeypatch, wrong
):
    from rewriter.verification import written_file

    load = written_file._load

    def other(keras, path, like, objects):
        model = load(keras, path, like, objects)
        if wrong == "weights":
            model.set_weights([each + 1 for each in model.get_weights()])
        else:
            model.get_layer("hidden").activation = dialect.keras.activations.relu
        return model

    monkeypatch.setattr(written_file, "_load", other)
    with pytest.raises(ModelWriteError, match=f"{wrong[:-1]}"):
        rewriter.rewrite(dense(dialect.keras), [right_pass()], output=tmp_path / "out.keras")
    assert list(tmp_path.iterdir()) == []


def test_without_verification_the_file_is_written_and_nothing_is_said_of_it(dialect, tmp_path):
    output = tmp_path / "out.keras"
    result = rewriter.rewrite(
        backbone(dialect.keras), ["strip-dropout"], output=output, verify=False
    )
    assert result.verification is None and output.exists()


def test_a_plan_without_changes_is_written_without_a_run(dialect, tmp_path):
    result = rewriter.rewrite(dense(dialect.keras), [], output=tmp_path / "out.keras")
    assert str(result.verification).startswith("nothing changed")
    assert result.verification.written == "Keras loads it, with the same weights"
