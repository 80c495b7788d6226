"""Write the tables of the port as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rewriter.layers.tensorflow_functions import FUNCTIONS
from rewriter.porting.layers import ANY, RULES, UNCHANGED, LayerRule
from rewriter.porting.operations import OPERATIONS
from rewriter.porting.training import OTHERWISE
from rewriter.porting.wrappers import PUT_IN


def port_page() -> str:
    """Return the page ``docs/reference/porting.md``."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# What a port changes"
    yield ""
    yield "`rewriter port OLD -o NEW.keras` makes a model of Keras 2 a model of Keras 3. These are"
    yield "the tables that it goes by; this page is made from them."
    yield ""
    yield "## Layers"
    yield ""
    yield "Within: how far outputs may differ, in parts of the greatest; without a figure they are"
    yield "equal to the bit."
    yield ""
    yield "| class | keys that are dropped | what else | within | seen in |"
    yield "| --- | --- | --- | --- | --- |"
    for rule in RULES:
        if not rule.refuse:
            yield _layer_row(rule)
    yield ""
    yield "These keep their configs: " + ", ".join(sorted(UNCHANGED)) + "."
    yield ""
    yield "## Layers without counterpart"
    yield ""
    yield "| class | why | what to do |"
    yield "| --- | --- | --- |"
    for rule in RULES:
        if rule.refuse:
            yield f"| {_classes(rule)} | {rule.refuse} | {rule.fix} |"
    yield ""
    yield "## Layers that are put in"
    yield ""
    yield "Keras opens a file that has one of them after `import rewriter.layers.keras3`, and not"
    yield "before."
    yield ""
    yield "| class | where |"
    yield "| --- | --- |"
    for name, where in PUT_IN.items():
        yield f"| {name} | {where} |"
    yield ""
    yield "## Operations"
    yield ""
    yield "| TensorFlow | Keras 3 | parameters |"
    yield "| --- | --- | --- |"
    for row in OPERATIONS:
        names = ", ".join(f"`{name}`" for name in row.functions.split())
        renamed = ", ".join(f"{old} → {new}" for old, new in row.kept.items() if old != new)
        yield f"| {names} | `{row.into}` | {renamed} |"
    yield from _functions_and_training()


def _functions_and_training() -> Iterator[str]:
    yield ""
    yield "Where a call has other arguments than these, and for all other functions of this list,"
    yield "`TensorFlowFunction` calls TensorFlow by the name:"
    yield ", ".join(f"`{name}`" for name in sorted(FUNCTIONS)) + "."
    yield ""
    yield "## Training"
    yield ""
    yield "The optimizer, its state by slot and variable, losses and metrics go along. The next"
    yield "step is the same within rounding, but for these:"
    yield ""
    yield "| optimizer | why |"
    yield "| --- | --- |"
    for (name, is_legacy), why in OTHERWISE.items():
        yield f"| {'legacy ' if is_legacy else ''}{name} | {why} |"


def _layer_row(rule: LayerRule) -> str:
    dropped = ", ".join(_dropped(rule.drop))
    more = [f"{old} → {new}" for old, new in rule.rename.items()]
    more += [f"becomes {rule.into}"] if rule.into and rule.into not in rule.classes.split() else []
    more += ["a layer of this package"] if rule.package else []
    more += [f"{key}: {source}" for key, source in rule.filled.items()]
    more += [f"in training, {rule.training}"] if rule.training else []
    within = f"{rule.tolerance:g}" if rule.tolerance else ""
    return f"| {_classes(rule)} | {dropped} | {'; '.join(more)} | {within} | {rule.source} |"


def _dropped(keys: Mapping[str, Any]) -> Iterator[str]:
    for key, allowed in keys.items():
        if allowed is ANY:
            yield key
        else:
            values = allowed if isinstance(allowed, tuple) else (allowed,)
            yield f"{key} (if {' or '.join(map(repr, dict.fromkeys(values)))}, else refused)"


def _classes(rule: LayerRule) -> str:
    return ", ".join(rule.classes.split())
