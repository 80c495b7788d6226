"""What all tests share: both Keras side by side, and the real models."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHARED = Path(__file__).parents[2] / "shared"


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


@pytest.fixture(params=[2, 3], ids=["keras2", "keras3"])
def dialect(request) -> Dialect:
    return Dialect(request.param)


@pytest.fixture(scope="session")
def real_models() -> Path:
    folder = SHARED / "models" / "ethnicolr"
    if not folder.is_dir():
        pytest.skip(f"the real models are not at {folder}")
    return folder
