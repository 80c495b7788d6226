"""Check a graph with every rule, and collect the findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rewriter.checks import batch, masks, noise, portability, speed
from rewriter.checks.checked_model import CheckedModel
from rewriter.checks.code import Code
from rewriter.checks.findings import Finding
from rewriter.checks.promises import with_kept_promises
from rewriter.errors import RewriterError
from rewriter.graph.model_graph import ModelGraph

CODES: Mapping[str, Code] = {
    code.code: code for family in (batch, masks, noise, speed, portability) for code in family.CODES
}
"""Every code that `check` knows, in order."""

__all__ = ["CODES", "Code", "check_graph", "code_named", "parse_version", "selected_codes"]


def check_graph(
    graph: ModelGraph,
    *,
    codes: Sequence[str] | None = None,
    version: str | None = None,
    format: str = "",
    documents: Sequence[Any] = (),
    references: Sequence[tuple[str, str]] = (),
    declared: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return what is wrong with a model, in the order of the codes.

    Parameters
    ----------
    graph : ModelGraph
        The model.
    codes : sequence of str, optional
        The codes to look for; by default all.
    version : str, optional
        The version of Keras in question, ``3.14.0``; without one, the newest.
    format : str
        ``h5`` or ``keras``, if the model comes from a file.
    documents : sequence of JSON values
        The config and the training configuration that the file holds.
    references : sequence of tuple of str
        What leads out of the file, besides them: the place and what it does.
    declared : mapping of str to str, optional
        What custom layers declare to do with masks, by the layer's path.

    Examples
    --------
    >>> from rewriter.graph import Layer, Tensor
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> x = graph.add(Layer("x", "InputLayer", {}))
    >>> drop = graph.add(Layer("drop", "Dropout", {"rate": 0.0}), [Tensor(x)])
    >>> graph.inputs, graph.outputs = [Tensor(x)], [Tensor(drop)]
    >>> print(*check_graph(graph))
    drop: RW305 rate=0: the layer does nothing [fix: strip-dropout]
    """

    def found(graph: ModelGraph, codes: Iterable[str]) -> list[Finding]:
        model = CheckedModel(graph, parse_version(version), format, documents, references, declared)
        findings: dict[Finding, None] = {}
        for code in codes:
            about = CODES[code]
            for layer, message, fix in about.rule(model):
                mended = about.fix if fix == "" else fix
                findings[Finding(code, layer, message, mended, about.since)] = None
        return list(findings)

    findings = found(graph, CODES if codes is None else codes)
    return with_kept_promises(graph, findings, found, declared)


def code_named(wanted: str) -> Code:
    """Return a code, given as itself or as its name.

    Raises
    ------
    RewriterError
        There is none.
    """
    for code in CODES.values():
        if wanted.upper() == code.code or wanted.lower() == code.name:
            return code
    listing = ", ".join(CODES)
    raise RewriterError(f"unknown code {wanted!r}", fix=f"there are {listing}")


def selected_codes(select: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[str]:
    """Return the codes that are looked for: all, or those selected, without those ignored.

    Parameters
    ----------
    select, ignore : sequence of str
        Codes, names, or beginnings of codes: ``RW2`` stands for all that begin so.

    Examples
    --------
    >>> selected_codes(["RW2"], ["RW203", "mask-fails"])
    ['RW201', 'RW202', 'RW205']
    """
    wanted = [code for each in select for code in _meant(each)] if select else list(CODES)
    unwanted = {code for each in ignore for code in _meant(each)}
    return [code for code in CODES if code in wanted and code not in unwanted]


def _meant(text: str) -> list[str]:
    if re.fullmatch(r"RW\d{0,2}", text, re.IGNORECASE):
        found = [code for code in CODES if code.startswith(text.upper())]
        if found:
            return found
    return [code_named(text).code]


def parse_version(version: str | None) -> tuple[int, int] | None:
    """Return major and minor number of a version; None if it has none.

    Examples
    --------
    >>> parse_version("3.15.1")
    (3, 15)
    """
    found = re.match(r"(\d{1,4})\.(\d{1,4})", version or "")
    return (int(found[1]), int(found[2])) if found else None
