"""What is imported, and what must not be."""

import json
import subprocess
import sys

KERAS_FREE = [
    "rewriter.graph",
    "rewriter.dialects",
    "rewriter.masking",
    "rewriter.pipeline",
    "rewriter.report.text",
    "rewriter.saved",
    "rewriter.verification.inputs.specs",
    "rewriter.kinds",
    "passes.strip_dropout",
    "passes.move_dropout",
    "passes.enable_masking",
]


def imported_by(code: str) -> list[str]:
    script = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_what_works_on_plain_data_imports_neither_tensorflow_nor_keras():
    code = "\n".join(f"import {module}" for module in KERAS_FREE)
    assert not {"tensorflow", "keras", "tf_keras"} & set(imported_by(code))


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"tensorflow", "keras", "tf_keras", "networkx", "typer", "numpy", "h5py"}
    assert not heavy & set(imported_by("import rewriter"))


def test_every_public_name_can_be_had():
    import rewriter

    assert all(getattr(rewriter, name) is not None for name in rewriter.__all__)
