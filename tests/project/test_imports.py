"""What is imported, what must not be, and which way the arrows between folders run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import networkx as nx

ROOT = Path(__file__).parents[2]
PACKAGES = ("rewriter", "passes")
LONGEST = 450
"""Lines of a module."""

KERAS_FREE = [
    "rewriter.graph",
    "rewriter.dialects",
    "rewriter.analysis.masks",
    "rewriter.pipeline.passes",
    "rewriter.report.text",
    "rewriter.saved",
    "rewriter.verification.inputs.specs",
    "rewriter.analysis.layer_kinds",
    "rewriter.passes.strip_dropout",
    "rewriter.passes.move_dropout",
    "rewriter.passes.enable_masking",
]

LINES = (
    ("cli", "testing"),
    ("rewriter",),  # the package itself: its public names
    ("api",),
    ("report",),
    ("rehearsal",),
    ("verification",),
    ("rebuild",),
    ("live", "checks"),
    ("saved",),
    ("passes",),
    ("dialects", "pipeline"),
    ("analysis",),
    ("graph", "layers"),
    ("errors",),
)
"""The folders, each line above what it may import; those on one line do not import each other."""

FOLDER_OF = {
    "rewriter.__main__": "cli",
    "rewriter.saved.safety.admission": "saved",
    "rewriter.analysis.masks.symbolic_masks": "analysis",
    "rewriter.analysis.known_layers": "analysis",
    "rewriter.checks.files": "checks",
    "rewriter.cli": "cli",
    "rewriter.verification.comparison": "verification",
    "rewriter.api.rewrite_step": "api",
    "rewriter.cli.console": "cli",
    "rewriter.cli.custom_modules": "cli",
    "rewriter.verification.distribution": "verification",
    "rewriter.checks.findings": "checks",
    "rewriter.checks.fixing": "checks",
    "rewriter.saved.safety.tensorflow_names": "saved",
    "rewriter.verification.inputs.specs": "verification",
    "rewriter.analysis.layer_kinds": "analysis",
    "rewriter.analysis.masks": "analysis",
    "rewriter.api.monte_carlo": "api",
    "rewriter.analysis.noise_layers": "analysis",
    "rewriter.verification.padding_probe": "verification",
    "rewriter.analysis.parameter_counts": "analysis",
    "rewriter.analysis.noise_at_inference": "analysis",
    "rewriter.analysis.value_flow": "analysis",
    "rewriter.analysis.recurrent_layers": "analysis",
    "rewriter.verification.noise_statistics": "verification",
    "rewriter.verification.result": "verification",
    "rewriter.analysis.batch_in_arguments": "analysis",
    "rewriter.api.rewriting": "api",
    "rewriter.verification.running": "verification",
    "rewriter.saved.safety.dangers": "saved",
    "rewriter.api.saved_plan": "api",
    "rewriter.api.pyproject": "api",
    "rewriter.analysis.shapes": "analysis",
    "rewriter.dialects.shared_layers": "dialects",
    "rewriter.verification.layer_traffic": "verification",
}
"""Where modules belong that stand elsewhere; all others are in the folder of their name."""

BY_STRING = {
    "rewriter": ["_HOME_OF[name]", "f'rewriter.layers.keras{number}'"],
    "rewriter.cli.custom_modules": ["place"],  # a module of the user's
    "rewriter.live.adapters": [
        "f'rewriter.live.keras{keras}.models'",
        "f'rewriter.live.keras{keras}.noise'",
        "f'rewriter.live.keras{keras}.training'",
    ],
    "rewriter.live.keras3.models": ["written"],  # a module of Keras
    "rewriter.live.keras_patches": ["_ROOT[keras]", "f'{_ROOT[keras]}.src.saving.saving_lib'"],
    "rewriter.testing.random_models": ["{2: 'tf_keras', 3: 'keras'}[keras]"],
}
"""What is given to `importlib.import_module`, which no graph of imports shows.

The modules that the adapters import know the adapters' types: this circle is closed at run time.
"""

STILL_TO_CUT = [
    ("rewriter.errors", "rewriter.pipeline.passes"),
    ("rewriter.errors", "rewriter.verification"),
    ("rewriter.pipeline.passes", "rewriter.checks"),
    ("rewriter.pipeline.passes", "rewriter.checks.findings"),
    ("rewriter.pipeline.passes", "rewriter.report.html"),
    ("rewriter.pipeline.passes", "rewriter.report.markdown"),
    ("rewriter.pipeline.passes", "rewriter.report.text"),
    ("rewriter.pipeline.passes", "rewriter.api.saved_plan"),
    ("rewriter.verification", "rewriter.verification.distribution"),
    ("rewriter.verification", "rewriter.verification.result"),
]
STILL_TO_SHORTEN = ["rewriter.api"]


@cache
def arrows() -> nx.DiGraph:
    """Return which module imports which: at once, later, or for types alone."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    found = nx.DiGraph()
    found.add_nodes_from(graph.modules)
    for module in graph.modules:
        imported = graph.find_modules_directly_imported_by(module)
        found.add_edges_from((module, each) for each in imported)
    found.remove_edges_from(STILL_TO_CUT)
    return found


def folder_of(module: str) -> str:
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in FOLDER_OF:
            return FOLDER_OF[".".join(parts[:end])]
    return parts[1] if parts[0] == "rewriter" and parts[1:] else parts[0]


def sources() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_by_string(tree: ast.AST) -> list[str]:
    return sorted(
        ast.unparse(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__")
    )


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


def test_no_modules_import_each_other_in_a_circle():
    together = nx.strongly_connected_components(arrows())
    assert [sorted(modules) for modules in together if len(modules) > 1] == []


def test_every_module_has_a_folder():
    known = {folder for line in LINES for folder in line}
    assert {module for module in arrows() if folder_of(module) not in known} == set()


def test_folders_import_only_what_stands_below_them():
    height = {folder: -number for number, line in enumerate(LINES) for folder in line}
    wrong = {
        (module, imported)
        for module, imported in arrows().edges
        if folder_of(module) != folder_of(imported)
        and height[folder_of(module)] <= height[folder_of(imported)]
    }
    assert wrong == set()


def test_imports_by_string_are_the_ones_listed():
    found = {
        module: imported_by_string(ast.parse(path.read_text(encoding="utf-8")))
        for module, path in sources().items()
    }
    assert {module: names for module, names in found.items() if names} == BY_STRING


def test_no_module_is_longer_than_a_reader_can_hold():
    lines = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in sources().items()
        if module not in STILL_TO_SHORTEN
    }
    assert {module: number for module, number in lines.items() if number > LONGEST} == {}
