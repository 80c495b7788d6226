"""The example trains in both Keras, and its models are what their README says."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
MODELS = EXAMPLES / "models"

ARGUMENTS = {
    "Embedding": ("input_dim", "output_dim"),
    "Dropout": ("rate",),
    "Masking": ("mask_value",),
    "GRU": ("units",),
    "LSTM": ("units",),
    "Dense": ("units",),
}


def table():
    """Return file, Keras, kind of model and layers, as the first table of the README tells them."""
    text = (MODELS / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [(file.strip("`"), int(number), kind, layers) for file, number, kind, layers in rows]


def describe(layer) -> str:
    name, config = type(layer).__name__, layer.get_config()
    arguments = ", ".join(str(config[key]) for key in ARGUMENTS.get(name, ()))
    return f"{name}({arguments})" if arguments else name


def keras_of(number: int):
    return importlib.import_module({2: "tf_keras", 3: "keras"}[number])


def load(number: int, file: str):
    return keras_of(number).models.load_model(MODELS / file)


def test_the_readme_lists_every_model_in_the_folder():
    assert {row[0] for row in table()} == {
        path.name for path in MODELS.iterdir() if path.suffix in (".keras", ".h5")
    }


@pytest.mark.parametrize(("file", "number", "kind", "layers"), table())
def test_a_model_loads_and_has_the_layers_that_the_readme_says(file, number, kind, layers):
    model = load(number, file)
    assert type(model).__name__ == kind
    assert ", ".join(map(describe, model.layers)) == layers
    assert not any(layer.get_config().get("mask_zero") for layer in model.layers)
    assert type(model.optimizer).__name__ == "Adam"
    assert int(model.optimizer.iterations) == 20 * 17  # epochs, batches of 16 of 270 sequences


@pytest.mark.parametrize("row", [row for row in table() if "tokens" in row[0]], ids=lambda r: r[0])
def test_the_saved_inputs_fit_the_token_models(row):
    model = load(row[1], row[0])
    with np.load(MODELS / "vowels_tokens.npz") as saved:
        assert saved.files == [model.inputs[0].name]
        tokens = saved["tokens"]
    assert tokens.shape == (64, 29)
    assert tokens.min() == 0
    assert tokens.max() < model.layers[0].input_dim
    assert (tokens[:, -1] > 0).all(), "padded in front"
    assert model.predict(tokens, verbose=0).shape == (64, 9)


# One Functional and one Sequential model, one in each Keras: training is slow.
@pytest.mark.parametrize(("number", "variant"), [(3, "noise-before-masking"), (2, "no-mask")])
def test_one_epoch_is_better_than_chance_and_saves_model_and_inputs(
    number, variant, tmp_path, capsys
):
    pytest.importorskip("sktime", reason="sktime, of the extra `examples`, is not installed")
    specification = importlib.util.spec_from_file_location(
        "train_vowels", EXAMPLES / "train_vowels.py"
    )
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)
    out, inputs = tmp_path / "model.keras", tmp_path / "inputs.npz"
    options = ["--keras", str(number), "--variant", variant, "--epochs", "1"]
    example.main([*options, "--out", str(out), "--inputs", str(inputs)])
    assert "4 more steps behind" in capsys.readouterr().out

    keras = keras_of(number)
    model = keras.models.load_model(out)
    assert int(model.optimizer.iterations) == 17
    (_, speakers), (test, test_speakers) = example.prepare(keras, variant, 0)
    assert np.bincount(speakers).tolist() == [30] * 9
    assert test.shape[:2] == (370, 29)
    probabilities = model.predict(test, verbose=0)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == test_speakers).mean() > 2 / 9, "better than chance"
    with np.load(inputs) as saved:
        assert saved[model.inputs[0].name].shape == (64, *test.shape[1:])
