"""Make passes out of edits of a graph, wrong ones and right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rewriter.graph import Layer, Tensor
from rewriter.graph.nested import map_leaves
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True)
class Wrong:
    """A wrong pass: its name, a model that it is wrong on, and what it does to the graph."""

    name: str
    model: Callable
    edit: Callable
    guarantee: Guarantee = Guarantee.SAME
    tolerance: float = 0.0
    keras: tuple[int, ...] = (2, 3)


@dataclass(frozen=True)
class Right(Wrong):
    """A right pass on a model that is hard to compare, and by what its outputs are compared."""

    by: tuple[str, ...] = ("values",)


def as_pass(wrong):
    class WrongPass(Pass):
        """Promise what the edit does not keep."""

        name = "wrong"
        guarantee = wrong.guarantee
        tolerance = wrong.tolerance

        def run_model(self, graph):
            done = wrong.edit(graph)
            yield from done if isinstance(done, list) else [done]

        def run(self, graph):
            return iter(())

    return WrongPass()


def configure(name, role=None, **changes):
    return lambda graph: graph.configure(name, changes, reason="to be caught", role=role)


def remove(name):
    return lambda graph: graph.remove(graph.calls_of(name)[0], reason="to be caught")


def insert(name, class_name, config, made="made"):
    def edit(graph):
        layer = Layer(made, class_name, {"name": made, **config})
        return graph.insert_after(Tensor(graph.calls_of(name)[0]), layer, reason="to be caught")

    return edit


def nested(name, edit):
    return lambda graph: edit(graph.layer(name).graph)


def unlisted(change):
    """Change a graph and say nothing of it."""

    def edit(graph):
        change(graph)
        return []

    return edit


def set_outputs(function):
    return unlisted(lambda graph: setattr(graph, "outputs", function(graph.outputs)))


def swap_holes(name):
    def edit(graph):
        call = graph.calls_of(name)[0]
        tensors = graph.fillings(call)
        (one, two) = tensors
        for hole, tensor in tensors.items():
            graph.network.remove_edge(tensor.call, call, key=hole)
        graph.connect(tensors[two], call, one)
        graph.connect(tensors[one], call, two)
        return graph.configure(name, {}, reason="to be caught")

    return edit


def rewire_output(name):
    """Give the model the output of another layer."""

    def edit(graph):
        graph.outputs = map_leaves(lambda _: Tensor(graph.calls_of(name)[0]), graph.outputs)
        return graph.configure(name, {}, reason="to be caught")

    return edit


def with_other_weights(name, bias):
    """Put a new layer in the place of one, which gives other weights and the same outputs."""

    def edit(graph):
        old = graph.layer(name)
        config = {**old.config, "kernel_initializer": "zeros", "bias_initializer": bias}
        return graph.replace(name, replace(old, config=config, origin=None), reason="to be caught")

    return edit


def insert_dropout(name):
    return insert(name, "Dropout", {"rate": 0.5})


def insert_linear(name):
    return insert(name, "Activation", {"activation": "linear"})


def settings(name):
    """Change what shows in training alone."""
    return configure(name, kernel_regularizer=None, kernel_initializer="zeros")
