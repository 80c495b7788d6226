"""What all tests share: both Keras side by side, and the real models."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Two Keras and TensorFlow are a million objects that stay. To look them through as often as Python
# does by itself takes a tenth of the processor time.
gc.set_threshold(100_000, 50, 100)

TESTS = Path(__file__).parent
SHARED = TESTS.parents[1] / "shared"

LONGEST_FIRST = (
    "end_to_end/test_every_model.py",
    "cli/test_cli.py",
    "verification/test_wrong_passes.py",
    "passes/test_replace_dropout.py",
    "saved/safety/test_hostile.py",
    "end_to_end/test_nothing_lost.py",
    "end_to_end/test_saved_models.py",
    "end_to_end/test_documented_recipes.py",
    "rebuild/test_compiling.py",
    "passes/test_carry_mask.py",
    "end_to_end/test_training_scripts.py",
    "examples/test_examples.py",
    "examples/test_train_vowels.py",
    "layers/test_dynamic_dropout_files.py",
    "analysis/masks/test_random_models.py",
    "saved/writing/test_replace.py",
    "end_to_end/test_bounded.py",
    "rehearsal/test_inner_noise.py",
    "saved/formats/test_bounded_json.py",
)
"""Modules that take longest; what is short comes last, so that the workers end together."""


@dataclass(frozen=True)
class Dialect:
    """One Keras: its number, and its module."""

    number: int

    @property
    def keras(self) -> ModuleType:
        if self.number == 2:
            import tf_keras

            return tf_keras
        import keras

        return keras


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``-m fast``, leave modules without that mark alone: they may import a framework."""
    if config.getoption("markexpr") != "fast" or not collection_path.is_relative_to(TESTS):
        return None
    modules = collection_path.rglob("test_*.py") if collection_path.is_dir() else [collection_path]
    return None if any(map(_has_fast_tests, modules)) else True


def _has_fast_tests(module: Path) -> bool:
    return "pytest.mark.fast" in module.read_text(encoding="utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {TESTS / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(params=[2, 3], ids=["keras2", "keras3"])
def dialect(request) -> Dialect:
    return Dialect(request.param)


@pytest.fixture(scope="session")
def real_models() -> Path:
    folder = SHARED / "models" / "ethnicolr"
    if not folder.is_dir():
        pytest.skip(f"the real models are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def rich_files(tmp_path_factory):
    """Trained models with wrappers, cells, operations and schedules, by Keras and ending."""
    import keras
    import numpy as np
    import tf_keras

    folder = tmp_path_factory.mktemp("rich")
    files = {}
    for module in (tf_keras, keras):
        layers = module.layers
        x = module.Input((6,))
        y = layers.Embedding(9, 4)(x)
        y = layers.Bidirectional(layers.LSTM(3, return_sequences=True, kernel_regularizer="l2"))(y)
        y = layers.TimeDistributed(layers.Dense(3, activation="gelu"))(y)
        y = module.Sequential([layers.Input((6, 3)), layers.RNN([layers.GRUCell(3)])])(y)
        y = layers.BatchNormalization()(layers.Add()([layers.Multiply()([y, y]), y]))
        constant = module.initializers.Constant(2.0)
        norm = module.constraints.MaxNorm(2)
        y = layers.Dense(1, kernel_constraint=norm, kernel_initializer=constant)(y)
        model = module.Model(x, y, name="rich")
        loss = module.losses.MeanSquaredError()
        model.compile(module.optimizers.Adam(0.1), loss, metrics=["mae"])
        model.fit(np.ones((4, 6)), np.ones((4, 1)), verbose=0)
        for ending in ("keras", "h5"):  # in Keras 3, saving .h5 takes the optimizer off the model
            files[module.__name__, ending] = folder / f"{module.__name__}.{ending}"
            model.save(files[module.__name__, ending])
    return files
