"""Every model of keras.applications and tf_keras.applications: rewritten, equal to the bit.

They are good models: what is found in them is a false alarm, but for what Keras 3 really cannot
load, which is tried. Small ones by default; ``pytest -m zoo -n 0 -s`` runs and counts all of them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import warnings
from pathlib import Path

import pytest
from support.evidence import outputs, same, weights

import rewriter
from rewriter.saved.safety.dangers import dangers

SMALL = ("MobileNet", "MobileNetV3Small")
LEAST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
LEAST |= {"NASNetLarge": 331, "NASNetMobile": 224}


def applications(keras):
    """Names of the functions that make a model."""
    module = importlib.import_module(f"{keras}.applications")
    return [
        name
        for name, each in vars(module).items()
        if callable(each) and "weights" in inspect.signature(each).parameters
    ]


def check(keras, name):
    module = importlib.import_module(keras)
    module.backend.clear_session()
    size = LEAST.get(name, 32)
    make = getattr(module.applications, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(weights=None, input_shape=(size, size, 3))
        graph = rewriter.read(model)
        wanted = outputs(model, graph)
        for passes in ([], ["strip-dropout"]):
            new = rewriter.rewrite(model, passes, verify=False).model
            assert same(weights(new), weights(model)), name
            assert same(outputs(new, graph), wanted), name
    found = {finding.code for finding in rewriter.check(model)}
    expected = {"RW502"} if keras == "tf_keras" and not keras_3_loads(model) else set()
    assert found == expected, name


def keras_3_loads(model):
    """Whether Keras 3 makes a model of the config that Keras 2 writes into an .h5 file."""
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
    from keras.src.legacy.saving.saving_utils import model_from_config

    custom_objects = {"Custom>CustomScaleLayer": CustomScaleLayer}  # as with any custom layer
    model.use_legacy_config = True  # as tf_keras' hdf5_format.py does while it saves
    try:
        model_from_config(json.loads(model.to_json()), custom_objects)
    except Exception:
        return False
    finally:
        del model.use_legacy_config
    return True


def written(keras, model):
    """The configs of a model in a .keras and in an .h5 file."""
    yield json.loads(model.to_json())
    if keras == "tf_keras":
        model.use_legacy_config = True  # as tf_keras' hdf5_format.py does while it saves
        yield json.loads(model.to_json())
        del model.use_legacy_config
    else:
        from keras.src.legacy.saving import json_utils
        from keras.src.legacy.saving.saving_utils import model_metadata

        yield json.loads(json.dumps(model_metadata(model), default=json_utils.get_json_type))


def refused(keras, model):
    return [str(danger) for document in written(keras, model) for danger in dangers(document)]


@pytest.mark.parametrize("keras", ["tf_keras", "keras"])
def test_the_layers_that_applications_bring_are_not_refused(keras):
    """ConvNeXt's and InceptionResNetV2's: every class that a module of applications defines."""
    root = importlib.import_module(keras)
    arguments = {
        "LayerScale": {"init_values": 1e-6, "projection_dim": 4},
        "StochasticDepth": {"drop_path_rate": 0.1},
        "CustomScaleLayer": {"scale": 0.5},
    }
    folder = Path(importlib.import_module(f"{keras}.src.applications").__file__).parent
    brought = {
        node.name: path.stem
        for path in folder.glob("*.py")
        if not path.stem.endswith("_test")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    assert set(brought) == set(arguments)
    for name, module in brought.items():
        layer = getattr(importlib.import_module(f"{keras}.src.applications.{module}"), name)
        x = root.Input((4,), name="x")
        y = layer(**arguments[name])([x, x] if name == "CustomScaleLayer" else x)
        assert refused(keras, root.Model(x, y)) == [], name


@pytest.mark.zoo
@pytest.mark.parametrize("keras", ["tf_keras", "keras"])
def test_no_application_is_refused(keras):
    names = applications(keras)
    found = {}
    for name in names:
        module = importlib.import_module(keras)
        module.backend.clear_session()
        size = LEAST.get(name, 32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make = getattr(module.applications, name)
            model = make(weights=None, input_shape=(size, size, 3), classes=2)
        found[name] = refused(keras, model)
        print(f"{keras}: {name}: {found[name][:1] or 'nothing refused'}", flush=True)
    assert len(found) > 30
    assert [name for name, said in found.items() if said] == []


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("keras", ["tf_keras", "keras"])
def test_an_application_comes_through_to_the_bit_and_raises_no_alarm(keras, name):
    check(keras, name)


@pytest.mark.zoo
@pytest.mark.parametrize("keras", ["tf_keras", "keras"])
def test_every_application_comes_through_to_the_bit_and_raises_no_alarm(keras):
    names = applications(keras)
    assert set(SMALL) < set(names)
    wrong = {}
    for count, name in enumerate(names, 1):
        try:
            check(keras, name)
        except AssertionError as error:
            wrong[name] = str(error)
        said = wrong.get(name, "equal to the bit, no alarm")
        print(f"{keras} {count} of {len(names)}: {name}: {said}", flush=True)
    assert not wrong
