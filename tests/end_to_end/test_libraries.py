"""Models that libraries make: each through every pass, live and by file, judged by Keras alone.

A process for each library and Keras makes and rewrites them, and another one judges the files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

from recipes.libraries import LIBRARIES  # noqa: E402

CASES = [(name, keras) for name, library in LIBRARIES.items() for keras in library.keras]


@pytest.mark.libraries
@pytest.mark.parametrize(("name", "keras"), CASES)
def test_models_of_a_library_are_right_for_keras_alone(name, keras, tmp_path):
    if find_spec(LIBRARIES[name].module.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    path = os.pathsep.join([str(FOLDER), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if keras == 2:
        environment["TF_USE_LEGACY_KERAS"] = "1"
    script = str(FOLDER / "recipes" / "rewriting.py")
    command = [sys.executable, script, str(keras), name, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}, Keras {keras}: {result['rewrites']} rewrites of {result['models']} models")
    assert result["wrong"] == []
