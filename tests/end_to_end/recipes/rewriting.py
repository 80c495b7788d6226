"""Rewrite models with every pass, live and by file, and let Keras alone judge the files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import rewriter
from rewriter.errors import RewriterError
from rewriter.pipeline import Guarantee
from rewriter.pipeline.registry import registered_passes

PASSES = sorted(registered_passes())

Make = Callable[[], tuple[Any, Mapping[str, Any]]]
"""Makes a model, and a batch for it."""


def rewrite_all(models: Mapping[str, Make], folder: Path, custom: Mapping[str, Any]):
    """Rewrite models with every pass, live and by file; return the plans, or why there is none."""
    tasks = {}
    for name, make in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, data = make()
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
                    result = rewriter.rewrite(
                        given,
                        [wanted],
                        output=after,
                        verify=False,
                        allow_code=True,
                        custom_objects=custom,
                    )
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


def judged(keras: int, folder: Path, library: str = ""):
    """Return what Keras alone says of the files in a folder, by task."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(here / "judge.py"), str(keras), str(folder), library]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {each["task"]: each for each in map(json.loads, done.stdout.splitlines())}


def check_all(
    models: Mapping[str, Make],
    keras: int,
    folder: Path,
    library: str = "",
    custom: Mapping[str, Any] | None = None,
) -> tuple[int, list[tuple[str, Any]]]:
    """Rewrite models and judge the files; return how many there are, and what is wrong."""
    plans = rewrite_all(models, folder, custom or {})
    wrong: list[tuple[str, Any]] = [
        (task, plan) for task, plan in plans.items() if isinstance(plan, str)
    ]
    tasks = {task: plan for task, plan in plans.items() if not isinstance(plan, str)}
    verdicts = judged(keras, folder, library) if tasks else {}
    for task, plan in tasks.items():
        wrong += [(task, said) for said in _wrong(task, plan, verdicts[task])]
    return len(tasks), wrong


def _wrong(task: str, plan: Any, verdict: Mapping[str, Any]) -> Iterator[Any]:
    if "error" in verdict:
        yield verdict["error"]
    elif plan.guarantee is not Guarantee.CHANGED_ON_PURPOSE:
        limit = max(plan.tolerance, 1e-3 if "mixed_precision" in task else 1e-6)
        yield from (gap for gap in verdict["gaps"] if not gap <= limit)


def main(keras: int, name: str, folder: Path) -> None:
    """Rewrite and judge the models of a library; print how many, and what is wrong."""
    import importlib
    from functools import partial

    from recipes.libraries import LIBRARIES

    module = importlib.import_module("tf_keras" if keras == 2 else "keras")
    library = LIBRARIES[name]
    imported = importlib.import_module(library.module)
    models = {key: partial(make, module, imported) for key, make in library.models.items()}
    count, wrong = check_all(models, keras, folder, name, library.custom_objects())
    print(json.dumps({"models": len(models), "rewrites": count, "wrong": wrong}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
