"""Plans to show: of each kind of change, of nested and wrapped layers, and of hostile names."""

from __future__ import annotations

from dataclasses import dataclass

from support.written import Written, sequential, written_layer

from rewriter.api.plans import Plan, plan_graph
from rewriter.dialects import decode
from rewriter.graph import Layer, Tensor
from rewriter.pipeline import Guarantee, Pass
from rewriter.verification.result import Case, Padding, Verification


@dataclass(frozen=True)
class Configure(Pass):
    """Set a rate in a layer, or in one that it wraps."""

    layer: str = ""
    role: str | None = None
    key: str = "rate"

    name = "configure"
    guarantee = Guarantee.SAME

    def run(self, graph):
        if self.layer in graph:
            changes = {self.key: 0.1}
            yield graph.configure(self.layer, changes, reason="less is enough", role=self.role)


class Replace(Pass):
    """Put a SpatialDropout1D in the place of each Dropout."""

    name = "replace"
    guarantee = Guarantee.CHANGED_ON_PURPOSE

    def run(self, graph):
        for call in graph.calls({"Dropout"}):
            new = Layer(call.layer, "SpatialDropout1D", {"name": call.layer, "rate": 0.2})
            yield graph.replace(call.layer, new, reason="whole channels are dropped")


class Insert(Pass):
    """Put noise behind each Embedding."""

    name = "insert"
    guarantee = Guarantee.SAME
    tolerance = 1e-6

    def run(self, graph):
        for call in graph.calls({"Embedding"}):
            name = graph.unique_name(f"{call.layer}_dropout")
            layer = Layer(name, "Dropout", {"name": name, "rate": 0.25, "noise_shape": None})
            yield graph.insert_after(Tensor(call), layer, reason="the embedding overfits")


def text_model(keras: int = 3) -> dict:
    return sequential(
        keras,
        ("InputLayer", {"batch_shape": [None, None], "name": "ids"}),
        ("Embedding", {"input_dim": 9, "output_dim": 4, "mask_zero": False}),
        ("Dropout", {"rate": 0.3}),
        ("LSTM", {"units": 3, "return_sequences": False}),
        ("Dense", {"units": 2}),
    )


def moved() -> Plan:
    return plan_graph(decode(text_model(), 3), ["move-dropout"])


def masked_and_moved() -> Plan:
    return plan_graph(decode(text_model(2), 2), ["enable-masking", "move-dropout"])


def inserted() -> Plan:
    return plan_graph(decode(text_model(), 3), [Insert()])


def replaced() -> Plan:
    return plan_graph(decode(text_model(), 3), [Replace()])


def nothing() -> Plan:
    return plan_graph(decode(text_model(), 3), ["move-dropout:recurrent=false"])


def pinned() -> Plan:
    model = Written(2)
    x = model.input("x", (None, 4))
    x = model.call("Dropout", "always", x, rate=0.5, kwargs={"training": True})
    x = model.call("Dropout", "once", x, rate=0.5)
    return plan_graph(model.graph(model.call("Dense", "dense", x, units=1)), ["strip-dropout"])


def shared() -> Plan:
    model = Written(3)
    a, b = model.input("a", (None, 4)), model.input("b", (None, 4))
    a, b = (model.call("Dropout", "drop", each, rate=0.5) for each in (a, b))
    a, b = (model.call("Dense", "dense", each, units=2) for each in (a, b))
    return plan_graph(model.graph(model.call("Add", "add", a, b)), ["strip-dropout"])


def encoder(keras: int) -> dict:
    inner = Written(keras, "encoder")
    x = inner.input("tokens", (None, 4))
    x = inner.call("Dense", "project", x, units=4)
    x = inner.call("Dropout", "drop", x, rate=0.1)
    return inner.document(inner.call("Dense", "out", x, units=4))


def nested() -> Plan:
    model = Written(3)
    a, b = model.input("a", (None, 4)), model.input("b", (None, 4))
    document = encoder(3)
    a = model.call("Functional", "encoder", a, document=document)
    b = model.call("Functional", "encoder", b)
    return plan_graph(model.graph(model.call("Add", "add", a, b)), ["strip-dropout"])


def wrapped() -> Plan:
    cell = written_layer("LSTMCell", "cell", 3, units=4, dropout=0.5)
    inner = written_layer("RNN", "rnn", 3, cell=cell, return_sequences=True)
    model = Written(3)
    x = model.input("x", (None, None, 4))
    x = model.call("Bidirectional", "both", x, layer=inner, backward_layer=None)
    graph = model.graph(model.call("Dense", "dense", x, units=1))
    return plan_graph(graph, [Configure("both", "layer.cell", "dropout")])


def opaque() -> Plan:
    model = Written(3)
    x = model.input("x", (None, 4))
    x = model.call("Lambda", "halve", x, function={"class_name": "__lambda__"})
    x = model.call("Mystery", "strange", x)
    x = model.call("Dropout", "drop", x, rate=0.5)
    return plan_graph(model.graph(model.call("Dense", "dense", x, units=1)), ["strip-dropout"])


def hostile() -> Plan:
    document = sequential(
        3,
        ("InputLayer", {"batch_shape": [None, 4], "name": "in\n+ fake  Dense"}),
        ("Dropout", {"rate": 0.5, "name": "\x1b[31mred\u202e\ud800"}),
        ("Dense", {"units": 1, "name": "long" * 60}),
    )
    return plan_graph(decode(document, 3), ["strip-dropout"], "m\x1b[2J.keras")


def long_chain(layers: int) -> Plan:
    chain = [("Dense", {"units": 4, "name": f"dense_{number}"}) for number in range(layers)]
    for place in (layers // 4, layers // 2, layers - 3):
        chain[place] = ("Dropout", {"rate": 0.5, "name": f"drop_{place}"})
    document = sequential(3, ("InputLayer", {"batch_shape": [None, 4]}), *chain)
    return plan_graph(decode(document, 3), ["strip-dropout"])


def two_thousand() -> Plan:
    return long_chain(2000)


PLANS = [
    moved,
    masked_and_moved,
    inserted,
    replaced,
    nothing,
    pinned,
    shared,
    nested,
    wrapped,
    opaque,
    hostile,
    two_thousand,
]


CASES = (
    Case("made", 1, 7, "eager", "equal", 0.0),
    Case("made", 3, 5, "compiled", "differs", 0.25, "an output differs by 0.25"),
)


VERIFICATION = Verification(
    False, Guarantee.SAME, 0.0, 0.25, CASES, Padding(3, 2, 1, 0.5, {"behind": 0.2}, {"behind": 0.0})
)
