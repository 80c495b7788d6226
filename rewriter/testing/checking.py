"""Check what every pass must do, whatever it changes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rewriter.api.functions import plan, rewrite, verify
from rewriter.api.result import Result
from rewriter.errors import PassError, VerificationError
from rewriter.pipeline.passes import Pass
from rewriter.pipeline.registry import to_pass


def check_pass(
    wanted: Pass | type[Pass] | str,
    models: Any,
    *,
    reload: bool = True,
    custom_objects: Mapping[str, Any] | None = None,
) -> list[Result]:
    """Run a pass over models, and check what every pass owes.

    1. The graph is valid afterwards and Keras can build it.
    2. The outputs keep the pass's guarantee.
    3. A second run changes nothing.
    4. The rewritten model, saved and loaded again by Keras, gives the same outputs.

    Parameters
    ----------
    wanted : Pass or str
        The pass.
    models : live model, or iterable of live models
        Are not changed.
    reload : bool
        Whether to check the fourth.
    custom_objects : mapping of str to class or function, optional
        What the saved models need to be loaded.

    Returns
    -------
    list of Result
        One for each model, for further checks of one's own.

    Raises
    ------
    PassError
        The pass breaks a graph, or changes something in a second run.
    VerificationError
        The outputs do not keep the guarantee, or are others after reloading.

    Examples
    --------
    >>> from rewriter.testing import check_pass, random_model
    >>> [result] = check_pass("strip-dropout", random_model(keras=3, seed=1))
    >>> result.verification.ok
    True
    """
    one = to_pass(wanted)
    given = models if isinstance(models, Iterable) else [models]
    return [_checked(one, model, reload, dict(custom_objects or {})) for model in given]


def _checked(one: Pass, model: Any, reload: bool, custom_objects: dict[str, Any]) -> Result:
    result = rewrite(model, [one], custom_objects=custom_objects)
    again = plan(result.model, [one])
    if again.changes:
        raise PassError(f"a second run changes the model again:\n{again}", where=str(one))
    if reload:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            result.model.save(path)
            same = verify(result.model, path, custom_objects=custom_objects)
        if not same.ok:
            raise VerificationError(f"outputs change by saving and loading: {same}", where=str(one))
    return result
