"""Every example in a docstring is run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
import rewriter.passes

import rewriter

MODULES = sorted(
    found.name
    for package in (rewriter, rewriter.passes)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["rewriter", *MODULES])
def test_the_examples_of_a_module_are_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    for public in rewriter.__all__:  # of `rewriter`, a class is there once it was asked for
        getattr(rewriter, public)
    outcome = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.failed == 0


@pytest.mark.parametrize("name", sorted(set(rewriter.__all__) - {"__version__"}))
def test_every_public_name_has_a_docstring(name):
    assert (getattr(rewriter, name).__doc__ or "").strip()


@pytest.mark.parametrize(
    "name", ["check", "plan", "predict_mc", "read", "rewrite", "Rewrite", "verify"]
)
def test_what_is_called_first_is_shown_by_example(name):
    assert ">>> " in getattr(rewriter, name).__doc__
