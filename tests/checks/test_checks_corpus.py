"""For every code, a model that has it and its nearest neighbour that has not, made by Keras."""

from __future__ import annotations

import pytest
from support.check_examples import EITHER, NEIGHBOURS, REFUSED, WRITTEN_BY_HAND, built

from rewriter.checks import CODES, check_graph
from rewriter.dialects import decode


def codes_of(source: str, keras: int, by_hand=()) -> set[str]:
    document = built(source, keras)
    for layer in document["config"]["layers"]:
        layer["config"] |= dict(by_hand).get(layer["class_name"], {})
    return {finding.code for finding in check_graph(decode(document, keras))}


@pytest.mark.parametrize(("code", "keras"), REFUSED)
def test_what_a_keras_refuses_to_build_cannot_be_shown_with_it(code, keras):
    with pytest.raises((ValueError, TypeError)):
        built(CODES[code].example, keras)


@pytest.mark.parametrize(("code", "keras"), [each for each in EITHER if each not in REFUSED])
def test_the_example_of_a_code_has_it(code, keras):
    assert code in codes_of(CODES[code].example, keras, WRITTEN_BY_HAND.get(code, ()))


@pytest.mark.parametrize(("code", "keras"), EITHER)
def test_the_nearest_neighbour_has_it_not(code, keras):
    assert code not in codes_of(NEIGHBOURS[code], keras)


@pytest.mark.parametrize(
    ("code", "keras"),
    [
        (code.code, keras)
        for code in CODES.values()
        for keras in {2, 3} - set(code.dialects)
        if code.code != "RW107"  # Keras 2 refuses to build it
    ],
)
def test_a_fault_that_a_keras_has_not_is_not_found_there(code, keras):
    assert code not in codes_of(CODES[code].example, keras)
