"""Models that nobody here made the passes for: each through every pass, judged by Keras alone.

What the rewriter itself verifies is not used. A fresh process for each Keras loads the files
before and after, and compares what they give, eagerly and in predict, for inputs without padding.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recipes import further, sequences
from recipes.register import RECIPES, tenth

import rewriter
from rewriter.checks import check_graph
from rewriter.errors import RewriterError
from rewriter.pipeline import Guarantee
from rewriter.pipeline.registry import registered_passes

PASSES = sorted(registered_passes())

assert sequences.CUSTOM and further.CUSTOM


def made(name, keras):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RECIPES[name](keras)


def told(findings):
    return {(each.code, each.layer) for each in findings}


def rewrite_all(names, dialect, folder):
    """Rewrite recipes with every pass, live and by file; return the plans, or why there is none."""
    tasks = {}
    for name in names:
        model, data = made(name, dialect.keras)
        before, inputs = folder / f"{name}.keras", folder / f"{name}.npz"
        model.save(before)
        np.savez(inputs, **data)
        for wanted in PASSES:
            for way, given in (("live", model), ("file", before)):
                task = f"{name}-{wanted}-{way}"
                plan = plan_of(given, wanted)
                if plan is None or not plan.changes:
                    continue
                after = folder / f"{task}.keras"
                try:
                    result = rewriter.rewrite(given, [wanted], output=after, verify=False)
                except RewriterError as error:
                    tasks[task] = str(error)
                    continue
                entry = {"before": before, "after": after, "data": inputs}
                words = {key: str(path) for key, path in entry.items()}
                (folder / f"{task}.json").write_text(json.dumps(words))
                tasks[task] = result.plan
    return tasks


def plan_of(given, wanted):
    """Return the plan; None where the file needs code that is not known here."""
    try:
        return rewriter.plan(given, [wanted])
    except RewriterError:
        if isinstance(given, Path):
            return None
        raise


def judged(dialect, folder):
    """Return what Keras alone says of the files in a folder, by task."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(here / "recipes" / "judge.py"), str(dialect.number), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {each["task"]: each for each in map(json.loads, done.stdout.splitlines())}


def check_all(names, dialect, folder):
    made = rewrite_all(names, dialect, folder)
    wrong = [(task, said) for task, said in made.items() if isinstance(said, str)]
    tasks = {task: plan for task, plan in made.items() if not isinstance(plan, str)}
    assert tasks
    verdicts = judged(dialect, folder)
    for task, plan in tasks.items():
        verdict = verdicts[task]
        if "error" in verdict:
            wrong.append((task, verdict["error"]))
        elif plan.guarantee is not Guarantee.CHANGED_ON_PURPOSE:
            limit = max(plan.tolerance, 1e-3 if "mixed" in task else 1e-6)
            wrong += [(task, gap) for gap in verdict["gaps"] if not gap <= limit]
    assert wrong == []
    return len(tasks)


def check_findings(names, dialect):
    """No pass brings a finding, and every fix that is named is made."""
    wrong = []
    for name in names:
        model, _ = made(name, dialect.keras)
        graph = rewriter.read(model)
        before = check_graph(graph)
        for finding in before:
            if finding.fix is not None:
                after = rewriter.plan(model, [finding.fix]).after
                if (finding.code, finding.layer) in told(check_graph(after)):
                    wrong.append((name, str(finding)))
        for wanted in PASSES:
            after = rewriter.plan(model, [wanted]).after
            new = {code for code, _ in told(check_graph(after))} - {each.code for each in before}
            wrong += [(name, wanted, code) for code in new]
    assert wrong == []


SOME = tenth()


def test_there_are_as_many_recipes_as_promised():
    assert len(RECIPES) >= 40
    assert SOME


def by_turns(dialect) -> list[str]:
    """Return the part of the tenth for one Keras; `-m recipes` puts all to both."""
    return sorted(SOME)[dialect.number % 2 :: 2]


def test_a_tenth_of_the_recipes_is_right_for_keras_alone(dialect, tmp_path):
    check_all(by_turns(dialect), dialect, tmp_path)


def test_no_pass_brings_a_finding_to_a_tenth_of_the_recipes(dialect):
    check_findings(by_turns(dialect), dialect)


@pytest.mark.recipes
def test_every_recipe_is_right_for_keras_alone(dialect, tmp_path):
    count = check_all(RECIPES, dialect, tmp_path)
    print(f"Keras {dialect.number}: {count} rewrites of {len(RECIPES)} models")


@pytest.mark.recipes
def test_no_pass_brings_a_finding_to_any_recipe(dialect):
    check_findings(RECIPES, dialect)
