"""List the passes and their options, for `passes`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence

from rewriter.pipeline.options import options_of
from rewriter.pipeline.passes import Pass


def passes_text(passes: Sequence[type[Pass]]) -> str:
    """Return one line for each pass: name, guarantee, and what it does."""
    width = max((len(each.name) for each in passes), default=0)
    promises = [each().guarantee.value for each in passes]
    widest = max(map(len, promises), default=0)
    return "\n".join(
        f"{each.name:<{width}}  {promise:<{widest}}  {_doc(each).splitlines()[0]}"
        for each, promise in zip(passes, promises, strict=True)
    )


def pass_text(each: type[Pass]) -> str:
    """Return what a pass does, with its guarantee and its options."""
    lines = [f"{each.name}  (guarantee: {each().guarantee.value})", "", _doc(each)]
    types = options_of(each)
    if types:
        lines += ["", "Options"]
        for field in dataclasses.fields(each):  # type: ignore[arg-type]
            shown = getattr(types[field.name], "__name__", str(types[field.name]))
            lines.append(f"  {field.name}={field.default}  ({shown})")
    return "\n".join(lines)


def _doc(shown: type[Pass]) -> str:
    return inspect.getdoc(shown) or ""
