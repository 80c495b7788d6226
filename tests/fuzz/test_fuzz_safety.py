"""Whatever a file holds, what is asked of it ends, without an error of Python's."""

import json
import random
from pathlib import Path

import pytest
from fuzz_commands import fuzz
from hypothesis import given, settings
from hypothesis import strategies as st

from rewriter.errors import RewriterError
from rewriter.saved import read
from rewriter.saved.safety.dangers import Danger, dangers

KEYS = ["class_name", "config", "module", "registered_name", "function", "layers", "name"]
CLASSES = ["Lambda", "TFOpLambda", "function", "__lambda__", "__typespec__", "TensorFlowOpLayer"]
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(CLASSES)
JSON = st.recursive(
    PLAIN,
    lambda each: (
        st.lists(each, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), each, max_size=5)
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_looked_through(document):
    assert all(isinstance(danger, Danger) and str(danger) for danger in dangers(document))


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_a_mutated_real_file_is_read_or_refused(rich_files, tmp_path: Path, name, ending):
    content = rich_files[name, ending].read_bytes()
    path = tmp_path / f"mutated.{ending}"
    draw = random.Random(9)
    for _ in range(100):
        mutated = bytearray(content)
        for _ in range(draw.randint(1, 8)):
            mutated[draw.randrange(len(mutated))] = draw.randrange(256)
        path.write_bytes(mutated)
        try:
            json.dumps([str(danger) for danger in dangers(read(path).document)])
        except RewriterError as error:
            assert str(path) in str(error)


def test_the_commands_give_a_result_or_one_error(tmp_path):
    """For fifteen seconds; `fuzz_commands.py` does it for as long as one likes."""
    tally = fuzz(15, 0, tmp_path)
    assert tally.inputs > 20
    assert dict(tally.examples) == {}
