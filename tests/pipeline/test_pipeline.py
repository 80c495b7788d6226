"""Passes found, run and held to account."""

from dataclasses import dataclass
from typing import Literal

import pytest

from rewriter.api.plans import plan_graph
from rewriter.errors import PassError
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.pipeline import Guarantee, Pass
from rewriter.pipeline.context import Context
from rewriter.pipeline.registry import registered_passes, to_pass
from rewriter.pipeline.run import make_plan


def chain(*layers: Layer) -> ModelGraph:
    graph = ModelGraph(keras=3, class_name="Functional", name="m")
    tensor = Tensor(graph.add(Layer("x", "InputLayer", {"batch_shape": [None, 4]})))
    graph.inputs = tensor
    for layer in layers:
        tensor = Tensor(graph.add(layer, [tensor]))
    graph.outputs = tensor
    return graph


def noisy() -> ModelGraph:
    return chain(Layer("drop", "Dropout", {"rate": 0.5}), Layer("dense", "Dense", {"units": 2}))


@dataclass(frozen=True)
class Tuned(Pass):
    """Change nothing, with options."""

    rate: float = 0.1
    axes: tuple[int, ...] = ()
    mode: Literal["fast", "slow"] = "fast"
    on: bool = False
    seed: int | None = None

    name = "tuned"
    guarantee = Guarantee.CHANGED_ON_PURPOSE

    def run(self, graph):
        return iter(())


class Breaks(Pass):
    """Leave a hole without a tensor."""

    name = "breaks"
    guarantee = Guarantee.SAME

    def run(self, graph):
        yield graph.configure("dense", {"units": 3}, reason="first an edit")
        edge = next(iter(graph.network.edges(keys=True)))
        graph.network.remove_edge(*edge)


@pytest.fixture
def tuned(monkeypatch):
    class Entry:
        name = "tuned"

        @staticmethod
        def load():
            return Tuned

    monkeypatch.setattr("rewriter.pipeline.registry.registered_passes", lambda: {"tuned": Entry()})


@pytest.mark.fast
def test_the_built_in_passes_are_registered():
    assert {"strip-dropout", "move-dropout", "enable-masking"} <= set(registered_passes())


@pytest.mark.fast
def test_options_have_the_types_of_their_fields(tuned):
    made = to_pass("tuned:rate=0.5,axes=(1,-1),mode=slow,on,seed=none")
    assert made == Tuned(rate=0.5, axes=(1, -1), mode="slow", on=True, seed=None)


@pytest.mark.fast
def test_a_pass_is_written_as_it_is_read(tuned):
    assert str(Tuned(rate=0.5, axes=(1, 2), on=True)) == "tuned:rate=0.5,axes=(1,2),on=true"
    assert to_pass(str(Tuned(rate=0.5, axes=(1, 2)))) == Tuned(rate=0.5, axes=(1, 2))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("strip-droput", "did you mean 'strip-dropout'"),
        ("nothing-like-it", "unknown pass"),
        ("move-dropout:recurent=false", "did you mean 'recurrent'"),
        ("move-dropout:recurrent=perhaps", "neither true nor false"),
        ("strip-dropout:speed=1", "unknown option 'speed'"),
    ],
)
def test_a_wrong_pass_or_option_is_named_with_the_nearest(spec, words):
    with pytest.raises(PassError, match=words):
        to_pass(spec)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("tuned:rate=much", "no float"),
        ("tuned:mode=slack", "none of fast, slow"),
        ("tuned:rate", "needs a value"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(tuned, spec, words):
    with pytest.raises(PassError, match=words):
        to_pass(spec)


class Entry(Pass):
    """Count the graphs that it is asked to edit."""

    name = "entry"
    guarantee = Guarantee.SAME

    def __init__(self):
        self.graphs = []

    def counted(self, graph, *context):
        self.graphs.append(graph.name)
        yield from ()


@pytest.mark.parametrize("entry", ["run", "run_model", "run_with"])
def test_a_pass_defines_one_entry_and_has_all(entry):
    one = type("One", (Entry,), {entry: Entry.counted})
    graph = noisy()
    for asked in (
        lambda each: each.run(graph),
        lambda each: each.run_model(graph),
        lambda each: each.run_with(graph, Context()),
    ):
        each = one()
        assert list(asked(each)) == []
        assert each.graphs == ["m"]


def test_a_pass_that_defines_no_entry_is_named():
    with pytest.raises(NotImplementedError, match="Entry defines neither run nor run_model"):
        make_plan(noisy(), [Entry()])


@pytest.mark.fast
def test_planning_leaves_the_graph_as_it_was():
    graph = noisy()
    plan = make_plan(graph, ["strip-dropout"])
    assert [str(call) for call in graph.calls()] == ["x", "drop", "dense"]
    assert [str(call) for call in plan.after.calls()] == ["x", "dense"]


@pytest.mark.fast
def test_a_second_run_changes_nothing():
    plan = make_plan(noisy(), ["strip-dropout"])
    assert make_plan(plan.after, ["strip-dropout"]).changes == ()


@pytest.mark.fast
def test_the_guarantee_is_the_weakest_of_the_passes_that_change_something(tuned):
    assert make_plan(noisy(), [Tuned()]).guarantee is Guarantee.SAME


@pytest.mark.fast
def test_a_pass_that_breaks_the_graph_is_named_and_the_plan_before_it_stands():
    from rewriter.passes.strip_dropout import StripDropout

    with pytest.raises(PassError, match="breaks: the pass broke the graph") as caught:
        make_plan(noisy(), [StripDropout(), Breaks()])
    assert caught.value.plan is not None
    assert [change.layer for change in caught.value.plan.changes] == ["drop"]


@pytest.mark.fast
def test_a_plan_as_json_has_the_fields_that_others_build_on():
    plan = plan_graph(noisy(), ["strip-dropout"], "m.keras").to_json()
    assert {
        "model", "keras", "kind", "passes", "guarantee", "changes", "notes", "findings",
    } <= plan.keys()  # fmt: skip
    assert plan["changes"][0].keys() == {
        "pass", "action", "layer", "class", "before", "after", "reason",
    }  # fmt: skip
