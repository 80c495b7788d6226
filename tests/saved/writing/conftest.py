"""A target for what is written."""

import pytest


@pytest.fixture
def target(tmp_path):
    return tmp_path / "model.keras"
