"""Model files made by hand, and programs that run without TensorFlow."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py

ROOT = Path(__file__).parents[2]
DOCUMENT = {"class_name": "Sequential", "config": {"name": "model", "layers": []}}


def write_keras(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_h5(path, **attributes):
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        file.create_group("model_weights")
    return path


def run_python(code, *arguments):
    """Run a program in a fresh process without TensorFlow, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
