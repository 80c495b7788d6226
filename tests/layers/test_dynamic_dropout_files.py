import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from rewriter.layers import keras2

PROJECT = Path(__file__).parents[2]
HEAVY = ["networkx", "typer", "rewriter.cli", "rewriter.graph"]


def model_with(dialect, noise):
    layers = dialect.keras.layers
    return dialect.keras.Sequential(
        [layers.Input((None, 4)), layers.Dense(16), noise, layers.SimpleRNN(3)]
    )


def python(code, *arguments):
    """Run the code in a new process of this project; return the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "arguments",
    [
        {"rate": 0.5},
        {"rate": 0},
        {"rate": 0.25, "shared_axes": (1, -1), "always_on": True, "seed": 7},
        {"rate": 0.5, "name": "noise", "dtype": "float16"},
    ],
)
def test_a_layer_made_from_its_config_has_the_same_config(dialect, arguments):
    config = dialect.layer(**arguments).get_config()
    assert {key: config[key] for key in ("rate", "shared_axes", "always_on", "seed")} == {
        "rate": arguments["rate"],
        "shared_axes": list(arguments.get("shared_axes", ())),
        "always_on": arguments.get("always_on", False),
        "seed": arguments.get("seed"),
    }
    assert "noise_shape" not in config
    assert dialect.layer.from_config(config).get_config() == config
    serialized = dialect.keras.layers.serialize(dialect.layer.from_config(config))
    read = json.loads(json.dumps(serialized))
    assert read == serialized
    assert dialect.keras.layers.deserialize(read).get_config() == config


@pytest.mark.parametrize("rng_type", [None, "stateful", "stateless"])
def test_the_random_generator_of_keras_2_is_kept_as_its_dropout_keeps_it(rng_type):
    config = keras2.DynamicDropout(0.5, rng_type=rng_type).get_config()
    builtin = tf_keras.layers.Dropout(0.5, rng_type=rng_type).get_config()
    assert config.get("rng_type") == builtin.get("rng_type")
    assert keras2.DynamicDropout.from_config(config).get_config() == config


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("always_on", [False, True])
def test_a_saved_model_comes_back_the_same(dialect, tmp_path, ending, always_on):
    model = model_with(dialect, dialect.layer(0.5, shared_axes=1, always_on=always_on, seed=3))
    path = tmp_path / f"model.{ending}"
    model.save(path)
    loaded = dialect.keras.models.load_model(path)
    # As JSON, for the input shapes of other layers come back from a file as lists.
    assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    inputs = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    first, second = (loaded.predict(inputs, verbose=0) for _ in range(2))
    assert (first != second).any() == always_on
    if not always_on:
        np.testing.assert_array_equal(first, model.predict(inputs, verbose=0))


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_the_file_names_the_layer_as_registered(dialect, tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    model_with(dialect, dialect.layer(0.5)).save(path)
    loaded = dialect.keras.models.load_model(path)
    assert type(loaded.layers[1]) is dialect.layer
    registered = dialect.keras.saving.get_registered_name(dialect.layer)
    assert registered == "rewriter>DynamicDropout"
    if ending == "h5":
        with h5py.File(path) as file:
            config = json.loads(file.attrs["model_config"])
        assert registered in json.dumps(config)


def test_a_clone_keeps_the_arguments(dialect):
    model = model_with(dialect, dialect.layer(0.5, shared_axes=1, seed=3))
    assert dialect.keras.models.clone_model(model).get_config() == model.get_config()


def test_an_exported_model_is_the_identity_where_the_noise_was(dialect, tmp_path):
    model = model_with(dialect, dialect.layer(0.5))
    model.export(tmp_path / "exported")
    exported = tf.saved_model.load(tmp_path / "exported")
    for batch, time in [(3, 5), (1, 7)]:
        inputs = np.random.default_rng(1).normal(size=(batch, time, 4)).astype("float32")
        np.testing.assert_allclose(exported.serve(inputs), model(inputs), atol=1e-6)


@pytest.mark.parametrize("shared_axes", [(), (1,)])
def test_an_exported_model_drops_at_every_batch_size_and_length(dialect, tmp_path, shared_axes):
    noise = dialect.layer(0.5, shared_axes=shared_axes, always_on=True)
    model = dialect.keras.Sequential([dialect.keras.layers.Input((None, 64)), noise])
    model.export(tmp_path / "exported")
    exported = tf.saved_model.load(tmp_path / "exported")
    for batch, time in [(3, 5), (1, 7)]:
        inputs = np.ones((batch, time, 64), "float32")
        first, second = (exported.serve(inputs).numpy() for _ in range(2))
        assert set(np.unique(first)) == {0.0, 2.0}
        assert (first == first[:, :1]).all() == bool(shared_axes)
        assert (first != second).any()


def test_a_saved_model_of_keras_2_trains_after_loading(tmp_path):
    """The format in which Keras 2 keeps a graph for training beside the one for inference."""
    noise = keras2.DynamicDropout(0.5, shared_axes=1)
    tf_keras.Sequential([tf_keras.layers.Input((None, 64)), noise]).save(tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    for batch, time in [(3, 5), (1, 7)]:
        inputs = tf.ones((batch, time, 64))
        assert set(np.unique(loaded(inputs, training=True))) == {0.0, 2.0}
        np.testing.assert_array_equal(loaded(inputs, training=False), inputs)


def test_the_inference_model_converts_to_tflite(dialect, tmp_path):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((8,)), layers.Dense(4), dialect.layer(0.5, shared_axes=-1), layers.Dense(2)]
    )
    model.export(tmp_path / "exported")
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "exported")).convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    inputs = np.random.default_rng(1).normal(size=(1, 8)).astype("float32")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
    interpreter.invoke()
    outputs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(outputs, model(inputs), atol=1e-6)


LOAD_ALL = """
import json, sys
import numpy as np
import rewriter.layers.{module}
import {keras} as keras
for path in sys.argv[1:]:
    keras.models.load_model(path).predict(np.ones((2, 3, 4), "float32"), verbose=0)
print(json.dumps(sorted(sys.modules)))
"""


def test_a_saved_model_loads_with_its_module_alone_which_imports_nothing_heavy(dialect, tmp_path):
    paths = [tmp_path / "model.keras", tmp_path / "model.h5"]
    for path in paths:
        model_with(dialect, dialect.layer(0.5, shared_axes=1)).save(path)
    code = LOAD_ALL.format(module=dialect.name, keras=dialect.keras.__name__)
    imported = set(python(code, *paths))
    assert "rewriter.layers.noise_shape" in imported
    assert imported.isdisjoint(HEAVY)
    other = {"keras2": "keras3", "keras3": "keras2"}[dialect.name]
    assert f"rewriter.layers.{other}" not in imported
    assert dialect.name == "keras2" or "tf_keras" not in imported


TWO_REPLICAS = """
import json
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
import tf_keras
from rewriter.layers import keras2, keras3


def trained(keras, noise):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        layers = keras.layers
        model = keras.Sequential(
            [
                layers.Input((None, 8)),
                noise(),
                layers.Dense(1, kernel_initializer="ones"),
            ]
        )
        model.compile("sgd", "mse", jit_compile=False)
    keras.utils.set_random_seed(1)
    inputs = np.ones((12, 3, 8), "float32")
    return model.fit(inputs, inputs[:, :, :1], batch_size=8, epochs=2, verbose=0).history["loss"]


losses = {}
for name, keras_, ours in (
    ("keras2", tf_keras, keras2.DynamicDropout),
    ("keras3", keras, keras3.DynamicDropout),
):
    losses[name] = [
        trained(keras_, lambda: ours(0.5, seed=3)),
        trained(keras_, lambda: keras_.layers.Dropout(0.5, seed=3)),
        trained(keras_, lambda: ours(0.5, seed=3, shared_axes=1)),
        trained(keras_, lambda: keras_.layers.SpatialDropout1D(0.5, seed=3)),
    ]
print(json.dumps(losses))
"""


def test_two_replicas_train_and_draw_what_the_layers_of_keras_draw():
    for ours, builtin, ours_shared, builtin_shared in python(TWO_REPLICAS).values():
        assert np.isfinite([ours, ours_shared]).all()
        assert ours == builtin
        assert ours_shared == builtin_shared
