"""Where masks begin, flow, are used and are lost: an analysis over the graph.

One table says what each layer does with the mask that comes with its input, for Keras 2 and
Keras 3. It was measured with tf_keras 2.21 and Keras 3.15, eagerly: the symbolic
``_keras_mask`` tells something else for nested models.

    >>> from rewriter.graph import Layer, ModelGraph, Tensor
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {}))
    >>> emb = graph.add(Layer("emb", "Embedding", {"mask_zero": True}), [Tensor(ids)])
    >>> gru = graph.add(Layer("gru", "GRU", {"return_sequences": False}), [Tensor(emb)])
    >>> graph.inputs, graph.outputs = [Tensor(ids)], [Tensor(gru)]
    >>> [(flow.layer, flow.uses, str(flow.mask_out)) for flow in mask_flow(graph)]
    [('ids', False, 'none'), ('emb', False, 'emb'), ('gru', True, 'none')]
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rewriter.graph import Call, Hole, Layer, ModelGraph, Tensor
from rewriter.kinds import returns_sequences
from rewriter.structure import leaves


@dataclass(frozen=True, slots=True)
class Mask:
    """The mask of a tensor.

    Parameters
    ----------
    sources : tuple of str
        Paths of the layers whose masks it is made of; none for a tensor without a mask.
    known : bool
        False where a layer that this program does not know may have changed it.
    """

    sources: tuple[str, ...] = ()
    known: bool = True

    def __bool__(self) -> bool:
        return bool(self.sources)

    def __str__(self) -> str:
        if not self.known:
            return "unknown"
        return " and ".join(self.sources) or "none"


NO_MASK = Mask()


class Rule(Enum):
    """What a layer does with a mask."""

    PASS = "passes it on"
    USE_AND_PASS = "uses it and passes it on"
    USE = "uses it, and its output has none"
    DROP = "drops it"
    SOURCE = "makes one of its own"
    EMBEDDING = "makes one of its own if mask_zero is set"
    RECURRENT = "uses it, and passes it on with the sequence if it returns that"
    MERGE = "joins the masks of its inputs, those that are there"
    MERGE_ALL = "joins the masks of its inputs, or drops them if one has none"
    QUERY = "uses it, and passes that of its first input on"
    FAIL = "cannot stand one"
    SOFTMAX = "cannot stand one on a sequence"
    TIME_DISTRIBUTED = "passes it on"
    UNKNOWN = "is not known to this program"


# layer classes, in Keras 2 (tf_keras 2.21), in Keras 3 (3.15)
_TABLE: Sequence[tuple[str, Rule, Rule]] = (
    (
        "Dense Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Dropout SpatialDropout1D "
        "SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout "
        "DynamicDropout LayerNormalization UnitNormalization ActivityRegularization",
        Rule.PASS,
        Rule.PASS,
    ),
    ("Identity Rescaling Normalization", Rule.DROP, Rule.PASS),
    ("BatchNormalization", Rule.USE_AND_PASS, Rule.USE_AND_PASS),
    ("GroupNormalization", Rule.FAIL, Rule.PASS),
    ("Softmax", Rule.SOFTMAX, Rule.SOFTMAX),
    ("LSTM GRU SimpleRNN RNN Bidirectional", Rule.RECURRENT, Rule.RECURRENT),
    ("ConvLSTM1D ConvLSTM2D ConvLSTM3D CuDNNLSTM CuDNNGRU", Rule.RECURRENT, Rule.RECURRENT),
    ("TimeDistributed", Rule.TIME_DISTRIBUTED, Rule.TIME_DISTRIBUTED),
    ("Add Subtract Multiply Average Maximum Minimum", Rule.MERGE, Rule.MERGE_ALL),
    ("Concatenate", Rule.MERGE, Rule.MERGE),
    ("Attention AdditiveAttention MultiHeadAttention", Rule.QUERY, Rule.QUERY),
    ("GroupQueryAttention GroupedQueryAttention", Rule.QUERY, Rule.QUERY),
    ("GlobalAveragePooling1D", Rule.USE, Rule.USE),
    (
        "Dot GlobalMaxPooling1D MaxPooling1D AveragePooling1D Conv1D SeparableConv1D "
        "DepthwiseConv1D Conv1DTranspose Conv2D Conv3D MaxPooling2D AveragePooling2D "
        "GlobalAveragePooling2D GlobalMaxPooling2D Flatten Reshape Permute RepeatVector "
        "ZeroPadding1D Cropping1D UpSampling1D EinsumDense Lambda TFOpLambda SlicingOpLambda",
        Rule.DROP,
        Rule.DROP,
    ),
    ("Masking", Rule.SOURCE, Rule.SOURCE),
    ("Embedding", Rule.EMBEDDING, Rule.EMBEDDING),
    ("InputLayer", Rule.DROP, Rule.DROP),
)

_RULES: Mapping[int, Mapping[str, Rule]] = {
    2: {name: rule for names, rule, _ in _TABLE for name in names.split()},
    3: {name: rule for names, _, rule in _TABLE for name in names.split()},
}

# Operators and keras.ops calls of Keras 3 are operations, not layers: they drop the mask.
_OPERATIONS = ("keras.src.ops.", "keras.ops.")


def rule_of(layer: Layer, keras: int) -> Rule:
    """Return what a layer does with a mask."""
    module = str(layer.envelope.get("module") or "")
    if module.startswith(_OPERATIONS):
        return Rule.DROP
    registered = layer.envelope.get("registered_name")
    if registered and not module.startswith(("keras", "tf_keras", "rewriter")):
        return Rule.UNKNOWN
    return _RULES[keras].get(layer.class_name, Rule.UNKNOWN)


@dataclass(frozen=True, slots=True)
class CallFlow:
    """What happens to masks at one call.

    Parameters
    ----------
    graph : ModelGraph
        The model, nested or not, that the call is in.
    call : Call
        The call.
    layer, class_name : str
        Path and class of its layer.
    mask_in : Mask
        Of its first input.
    mask_out : Mask
        Of its first output.
    uses : bool
        Whether the mask changes what the layer computes.
    rule : Rule
        What the layer does with masks.
    fails : bool
        Whether Keras raises because of the mask.
    """

    graph: ModelGraph
    call: Call
    layer: str
    class_name: str
    mask_in: Mask
    mask_out: Mask
    uses: bool
    rule: Rule
    fails: bool = False

    @property
    def loses(self) -> bool:
        """Whether a mask comes in, is not used, and does not go out."""
        return bool(self.mask_in) and not self.uses and not self.mask_out and not self.fails


def mask_flow(graph: ModelGraph, switched_on: Collection[str] = ()) -> list[CallFlow]:
    """Return what happens to masks at every call, nested models included.

    The calls stand in topological order, those of a nested model before the call of the
    model; a nested model that is called twice is followed twice.

    Parameters
    ----------
    graph : ModelGraph
        The outermost model.
    switched_on : collection of str
        Paths of Embedding layers that are taken as if ``mask_zero`` were set.
    """
    following = _Following(frozenset(switched_on))
    following.model(graph, [NO_MASK for _ in leaves(graph.inputs)])
    return following.flows


@dataclass(slots=True)
class _Following:
    switched_on: frozenset[str]
    flows: list[CallFlow] = field(default_factory=list)

    def model(self, graph: ModelGraph, given: Sequence[Mask]) -> list[Mask]:
        """Follow the masks through one model; return those of its outputs."""
        masks: dict[Tensor, Mask] = dict(zip(leaves(graph.inputs), given, strict=False))
        for call in graph.calls():
            if not graph.network.in_degree(call):
                incoming, leaving, rule = [masks.get(Tensor(call), NO_MASK)], None, Rule.PASS
            else:
                incoming = _incoming(graph, call, masks)
                leaving, rule = self.call(graph, call, incoming)
            leaving = incoming if leaving is None else leaving
            first = leaving[0] if leaving else NO_MASK
            self.flows.append(_flow(graph, call, incoming, first, rule))
            for output, mask in enumerate(leaving):
                masks[Tensor(call, output)] = mask
        return [masks.get(tensor, NO_MASK) for tensor in leaves(graph.outputs)]

    def call(
        self, graph: ModelGraph, call: Call, incoming: Sequence[Mask]
    ) -> tuple[Sequence[Mask], Rule]:
        """Return the masks that leave a call, and the rule that it follows."""
        layer = graph.layer(call)
        if layer.graph is not None:
            return self.model(layer.graph, incoming), Rule.PASS
        rule = rule_of(layer, graph.keras)
        if rule is Rule.EMBEDDING:
            on = layer.config.get("mask_zero") or graph.path_of(call) in self.switched_on
            rule = Rule.SOURCE if on else Rule.DROP
        return [_leaving(graph, call, rule, incoming)], rule


def _incoming(graph: ModelGraph, call: Call, masks: Mapping[Tensor, Mask]) -> list[Mask]:
    """Return the masks of a call's tensors; one given as ``mask=`` goes before the first."""
    fillings = graph.fillings(call)
    explicit = graph.arguments(call).kwargs.get("mask")
    given = [leaf.index for leaf in leaves(explicit) if isinstance(leaf, Hole)]
    incoming = [
        masks.get(tensor, NO_MASK) for hole, tensor in fillings.items() if hole not in given
    ]
    if given and incoming:
        incoming[0] = Mask((graph.path_of(fillings[given[0]].call),))
    return incoming


def _flow(
    graph: ModelGraph, call: Call, incoming: Sequence[Mask], leaving: Mask, rule: Rule
) -> CallFlow:
    layer = graph.layer(call)
    first = incoming[0] if incoming else NO_MASK
    any_mask = any(incoming) if rule is Rule.QUERY else bool(first)
    using = (Rule.USE_AND_PASS, Rule.USE, Rule.RECURRENT, Rule.QUERY)
    return CallFlow(
        graph,
        call,
        graph.path_of(call),
        layer.class_name,
        _joined(incoming) if rule in (Rule.QUERY, Rule.MERGE, Rule.MERGE_ALL) else first,
        leaving,
        rule in using and any_mask,
        rule,
        _fails(layer, graph.keras, rule, incoming),
    )


def _leaving(graph: ModelGraph, call: Call, rule: Rule, incoming: Sequence[Mask]) -> Mask:
    layer = graph.layer(call)
    first = incoming[0] if incoming else NO_MASK
    if rule is Rule.RECURRENT:
        return first if returns_sequences(layer) else NO_MASK
    if rule is Rule.SOURCE:
        return Mask((graph.path_of(call),))
    if rule in (Rule.PASS, Rule.USE_AND_PASS, Rule.QUERY, Rule.TIME_DISTRIBUTED):
        return first
    if rule is Rule.MERGE or (rule is Rule.MERGE_ALL and all(incoming)):
        return _joined(incoming)
    if rule is Rule.UNKNOWN and any(mask or not mask.known for mask in incoming):
        return Mask(_joined(incoming).sources, known=False)
    return NO_MASK


def _fails(layer: Layer, keras: int, rule: Rule, incoming: Sequence[Mask]) -> bool:
    if not any(incoming):
        return False
    if layer.class_name == "Concatenate" and keras == 2:
        return layer.config.get("axis", -1) == 1 and not all(incoming)
    return rule in (Rule.FAIL, Rule.SOFTMAX)


def _joined(masks: Sequence[Mask]) -> Mask:
    sources = dict.fromkeys(source for mask in masks for source in mask.sources)
    return Mask(tuple(sources), all(mask.known for mask in masks))
