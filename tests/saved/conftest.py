import importlib
import json

import pytest
from support.model_files import DOCUMENT, write_h5, write_keras


@pytest.fixture
def keras_file(tmp_path):
    """A minimal .keras file; arguments replace its members."""

    def write(config=DOCUMENT, metadata=None):
        metadata = {"keras_version": "3.15.1"} if metadata is None else metadata
        texts = [
            (name, content if isinstance(content, bytes | str) else json.dumps(content))
            for name, content in (("metadata.json", metadata), ("config.json", config))
        ]
        return write_keras(tmp_path / "model.keras", texts)

    return write


@pytest.fixture
def h5_file(tmp_path):
    """A minimal .h5 file; arguments replace its attributes."""

    def write(**attributes):
        attributes = {
            "keras_version": "2.5.0",
            "model_config": json.dumps(DOCUMENT),
        } | attributes
        return write_h5(tmp_path / "model.h5", **attributes)

    return write


@pytest.fixture(scope="session")
def real_files(tmp_path_factory):
    """Files as each Keras saves them: compiled and not, in both formats."""
    folder = tmp_path_factory.mktemp("real")
    files = {}
    for generation, name in ((2, "tf_keras"), (3, "keras")):
        keras = importlib.import_module(name)
        for compiled in (True, False):
            model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
            if compiled:
                model.compile("adam", keras.losses.MeanSquaredError())
            for ending in ("h5", "keras"):
                path = folder / f"{name}_{'compiled' if compiled else 'plain'}.{ending}"
                model.save(path)
                files[generation, ending, compiled] = path
        model.save_weights(folder / f"{name}.weights.h5")
        files[generation, "weights", False] = folder / f"{name}.weights.h5"
    return files
