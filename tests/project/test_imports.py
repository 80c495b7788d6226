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
import pytest

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
    "rewriter.porting",
    "rewriter.passes.strip_dropout",
    "rewriter.passes.move_dropout",
    "rewriter.passes.enable_masking",
]

LINES = (
    ("rewriter",),  # the package itself: its public names, and `python -m rewriter`
    ("cli", "testing"),
    ("api",),
    ("report",),
    ("rehearsal",),
    ("verification",),
    ("rebuild",),
    ("live", "checks"),
    ("saved",),
    ("passes",),
    ("rules",),
    ("dialects", "pipeline", "porting"),
    ("analysis",),
    ("graph", "layers"),
    ("errors",),
)
"""The folders, each line above what it may import; those on one line do not import each other."""

MOST_ENTRIES = 18
"""Folders and modules under ``rewriter/``, besides those that every package has."""

IMPORTING = ("importlib.import_module", "import_module", "import_framework", "__import__")

BY_STRING = {
    "rewriter": ["'tensorflow'", "_HOME_OF[name]", "f'rewriter.layers.keras{number}'"],
    "rewriter.cli.console": ["'tensorflow'"],
    "rewriter.cli.custom_modules": ["place"],  # a module of the user's
    "rewriter.live.adapters": [
        "f'rewriter.live.keras{keras}.models'",
        "f'rewriter.live.keras{keras}.noise'",
        "f'rewriter.live.keras{keras}.training'",
    ],
    "rewriter.live.frameworks": ["module"],
    "rewriter.live.keras3.models": ["written"],  # a module of Keras
    "rewriter.live.keras_patches": [
        "_ROOT[keras]",
        "f'{_ROOT[keras]}.src.saving.saving_lib'",
        "f'{_ROOT[keras]}.src.saving.saving_lib'",
    ],
    "rewriter.testing.random_models": ["{2: 'tf_keras', 3: 'keras'}[keras]"],
}
"""What is given to the functions of `IMPORTING`, which no graph of imports shows.

The modules that the adapters import know the adapters' types: this circle is closed at run time.
"""


@cache
def arrows() -> nx.DiGraph:
    """Return which module imports which: at once, later, or for types alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)  # before `tests`, where there is a folder `passes` too
        graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    imports = nx.DiGraph()
    imports.add_nodes_from(graph.modules)
    for module in graph.modules:
        imported = graph.find_modules_directly_imported_by(module)
        imports.add_edges_from((module, each) for each in imported)
    return imports


def folder_of(module: str) -> str:
    package, *inside = module.split(".")
    return inside[0] if package == "rewriter" and inside not in ([], ["__main__"]) else package


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
        if isinstance(node, ast.Call) and ast.unparse(node.func) in IMPORTING
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


def test_the_listing_of_the_package_is_short():
    besides = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
    entries = {each.name for each in (ROOT / "rewriter").iterdir()} - besides
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


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
    }
    assert {module: number for module, number in lines.items() if number > LONGEST} == {}
