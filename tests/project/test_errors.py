"""Errors say what, where and what to do, and travel between processes."""

import ast
import pickle
from pathlib import Path

import pytest
from support.written import sequential

import rewriter
from rewriter import errors
from rewriter.dialects import decode
from rewriter.errors import GraphError, RewriterError, WeightsError
from rewriter.pipeline import Guarantee, Pass

FAMILY = [cls for cls in vars(errors).values() if isinstance(cls, type)]


@pytest.mark.fast
@pytest.mark.parametrize("cls", FAMILY, ids=lambda cls: cls.__name__)
def test_an_error_says_where_what_and_what_to_do(cls):
    assert issubclass(cls, RewriterError)
    assert str(cls("it is gone", where="m.h5", fix="look")) == "m.h5: it is gone; look"


@pytest.mark.fast
@pytest.mark.parametrize("cls", FAMILY, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling(cls):
    again = pickle.loads(pickle.dumps(cls("it is gone", where="m.h5", fix="look")))
    assert type(again) is cls
    assert str(again) == "m.h5: it is gone; look"


def test_what_nobody_foresaw_is_an_error_of_the_family():
    from rewriter.api.one_error import unforeseen
    from rewriter.errors import UnforeseenError

    with pytest.raises(UnforeseenError):
        raise unforeseen(ValueError("a value"))


@pytest.mark.parametrize("cls", FAMILY, ids=lambda cls: cls.__name__)
def test_some_test_has_an_error_of_every_class_raised(cls):
    expected = set()
    for path in Path(__file__).parents[1].rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises":
                expected |= {word for each in node.args for word in ast.unparse(each).split(".")}
                expected |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    assert cls.__name__ in expected


@pytest.mark.fast
def test_an_edit_that_would_break_the_graph_is_refused():
    graph = decode(sequential(3, ("InputLayer", {"batch_shape": [None, 4]}), ("Dense", {})), 3)
    before = list(graph.calls())
    with pytest.raises(GraphError, match="inputlayer: needs exactly one input"):
        graph.remove(before[0], reason="to be refused")
    assert list(graph.calls()) == before


class Widen(Pass):
    """Make a layer wider than its weights."""

    name = "widen"
    guarantee = Guarantee.SAME

    def run(self, graph):
        yield graph.configure("dense", {"units": 3}, reason="to be refused")


def test_a_variable_without_a_counterpart_of_its_shape_is_named(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential([layers.Input((4,)), layers.Dense(2, name="dense")])
    with pytest.raises(WeightsError, match=r"dense: variable .* is \(4, 3\)"):
        rewriter.rewrite(model, [Widen()])
