"""Models that nobody here made the passes for: each through every pass, judged by Keras alone.

What the rewriter itself verifies is not used. A fresh process for each Keras loads the files
before and after, and compares what they give, eagerly and in predict, for inputs without padding.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recipes.register import MODULES, RECIPES, tenth
from recipes.rewriting import PASSES, check_all
from support.promises import broken_promises

import rewriter
from rewriter.checks import check_graph
from rewriter.pipeline.run import make_plan

for module in MODULES:
    importlib.import_module(f"recipes.{module}")


def made(name, keras):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RECIPES[name](keras)


def makers(names, dialect):
    """Return what makes each of the models named."""
    return {name: partial(RECIPES[name], dialect.keras) for name in names}


OPTIONS = {
    "carry-mask": ["cudnn=keep", "empty=off"],
    "enable-masking": ["cudnn=keep", "empty=off", "mask_value=-1"],
    "externalise-dropout": ["recurrent=input"],
    "free-batch": ["stateful=drop"],
    "insert-dropout": ["to=standard", "to=spatial", "to=gaussian", "to=alpha", "after=Dense"],
    "move-dropout": ["branches=copy", "masking=false", "batch_normalization=false"],
    "replace-dropout": ["to=standard", "to=spatial", "to=gaussian", "to=alpha"],
    "strip-dropout": ["pinned=remove"],
}
VARIANTS = [*PASSES, *(f"{name}:{each}" for name, those in OPTIONS.items() for each in those)]


def check_findings(names, dialect):
    """No pass brings a finding, with any option, and every fix that is named is made."""
    wrong = []
    for name in names:
        graph = rewriter.read(made(name, dialect.keras)[0])
        before = check_graph(graph)
        wrong += [(name, str(finding), said) for finding, said in broken_promises(graph)]
        count = Counter(each.code for each in before)
        for wanted in VARIANTS:
            plan = make_plan(graph, [wanted])
            if plan.changes:
                after = Counter(each.code for each in check_graph(plan.after))
                wrong += [(name, wanted, code) for code in after - count]
    assert wrong == [], wrong


SOME = tenth()


def test_there_are_as_many_recipes_as_promised():
    assert len(RECIPES) >= 40
    assert SOME


def by_turns(dialect) -> list[str]:
    """Return the part of the tenth for one Keras; `-m recipes` puts all to both."""
    return sorted(SOME)[dialect.number % 2 :: 2]


def test_a_tenth_of_the_recipes_is_right_for_keras_alone(dialect, tmp_path):
    count, wrong = check_all(makers(by_turns(dialect), dialect), dialect.number, tmp_path)
    assert count and wrong == []


def test_no_pass_brings_a_finding_to_a_tenth_of_the_recipes(dialect):
    check_findings(by_turns(dialect), dialect)


SIZE = 8
PARTS = range(0, len(RECIPES), SIZE)


def part(start: int) -> list[str]:
    return sorted(RECIPES)[start : start + SIZE]


@pytest.mark.recipes
@pytest.mark.parametrize("start", PARTS)
def test_every_recipe_is_right_for_keras_alone(dialect, start, tmp_path):
    count, wrong = check_all(makers(part(start), dialect), dialect.number, tmp_path)
    print(f"Keras {dialect.number}: {count} rewrites of {len(part(start))} models")
    assert count and wrong == []


@pytest.mark.recipes
@pytest.mark.parametrize("start", PARTS)
def test_no_pass_brings_a_finding_to_any_recipe(dialect, start):
    check_findings(part(start), dialect)
