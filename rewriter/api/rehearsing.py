"""Make training steps on copies of a model, or of both models of a rewrite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.api.one_error import with_one_error
from rewriter.api.plans import Model, live_graph
from rewriter.errors import RewriterError
from rewriter.live.loading import load
from rewriter.saved import read as read_file

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared, Rehearsal


@with_one_error
def rehearse(
    model: Model,
    *,
    data: Any = None,
    batches: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    allow_code: bool = False,
    limits: bool = True,
) -> Rehearsal:
    """Make training steps on a copy of a model at several batch sizes and lengths.

    Parameters
    ----------
    model : live model, str or Path
        Is not changed.
    data : mapping of str to array, optional
        Inputs; made by default.
    batches, lengths : sequence of int, optional
        The sizes to try; by default 1, 2, 3, 7 and 32, and three lengths.
    custom_objects : mapping of str to class or function, optional
        What a saved model needs to be loaded.
    allow_code, limits : bool
        As for `rewrite`.

    Returns
    -------
    Rehearsal
        ``ok``, ``cases``, ``noise`` and ``findings``; ``str()`` of it is the table.

    Raises
    ------
    RewriterError
        A size is none.

    Examples
    --------
    >>> print(rewriter.rehearse("model.keras"))  # doctest: +SKIP
    """
    from rewriter.rehearsal import rehearse_model
    from rewriter.rehearsal.cases import BATCHES

    for size in (*(batches or ()), *(lengths or ())):
        if size < 1:
            raise RewriterError(f"a batch size or length of {size}", fix="give sizes from 1 on")
    live = model
    if isinstance(model, str | Path):
        file = read_file(model, limits=limits)
        objects = dict(custom_objects or {})
        rows = max(batches or BATCHES)
        live = load(file, objects, allow_code=allow_code, limits=limits, rows=rows).model
    return rehearse_model(
        live_graph(live)[0],
        live,
        name=_shown(model),
        data=data,
        batches=batches or BATCHES,
        lengths=lengths,
        custom_objects=custom_objects,
    )


def compared(before: Any, after: Any, data: Any, objects: Mapping[str, Any]) -> Compared:
    """Rehearse the original and the rewritten model at the same sizes."""
    from rewriter.rehearsal import Compared

    old = rehearse(before, data=data, custom_objects=objects)
    batches = list(dict.fromkeys(case.batch for case in old.cases))
    return Compared(old, rehearse(after, data=data, batches=batches, custom_objects=objects))


def _shown(model: Model) -> str:
    return str(model) if isinstance(model, str | Path) else str(model.name)
