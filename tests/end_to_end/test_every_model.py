"""Each line of what a model can hold comes through: config, rebuild, weights, outputs, files."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from support.evidence import check_config, check_identity, check_pass, document
from support.models import MODELS

from rewriter.saved import read as read_file

CASES = [
    pytest.param(name, number, id=f"{name}-keras{number}")
    for name, model in MODELS.items()
    for number in model.keras
]


@pytest.fixture(autouse=True)
def clean():
    """Names count from one again; Keras' own warnings are not the subject."""
    import keras
    import tf_keras

    tf_keras.backend.clear_session()
    keras.utils.clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make(name: str, number: int):
    import keras
    import tf_keras

    return MODELS[name].make(tf_keras if number == 2 else keras)


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_model_is_read_rebuilt_and_rewritten(name, number):
    model = make(name, number)
    if "layers" in document(model)["config"]:
        check_config(document(model), number)
    check_identity(model)
    check_pass(model, "strip-dropout")


def test_spectral_normalization_of_keras_2_comes_through_where_it_runs():
    """Beside Keras 3, that of tf_keras 2.21 meets another InputSpec than its own."""
    code = """if True:
        import tf_keras as k
        from support.evidence import check_identity, check_pass
        x = k.Input((4,))
        layer = k.layers.SpectralNormalization(k.layers.Dense(3))
        model = k.Model(x, layer(k.layers.Dropout(0.5)(x)))
        check_identity(model)
        check_pass(model, "strip-dropout")
    """
    folders = [str(Path(__file__).parents[1]), *sys.path]
    path = os.pathsep.join(each for each in folders if each)
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("name", "number"), CASES)
def test_the_config_of_a_saved_model_comes_back(name, number, suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    try:
        make(name, number).save(path)
    except Exception as error:
        pytest.skip(f"Keras itself cannot save it: {error!s:.80}")
    file = read_file(path)
    if "layers" not in file.document["config"]:
        pytest.skip("the file holds constructor arguments, no layers")
    check_config(file.document, file.keras)
