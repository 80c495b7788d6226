"""Find masks that are missing, lost, hidden by noise, or make a layer fail (RW2xx)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import MASK_USERS, NOISE, is_recurrent, returns_sequences
from rewriter.analysis.masks import CallFlow
from rewriter.analysis.masks.padding_ids import real_zeros
from rewriter.analysis.value_flow import ValueFlow, keeps_values, unwrap_time_distributed
from rewriter.checks.checked_model import CheckedModel, LayerCall, layer_call, noise_rate
from rewriter.checks.code import Code, Problem
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph

# Behind these there are no time steps left that a mask could speak of.
_NO_STEPS = frozenset(
    [
        "Flatten",
        "Reshape",
        "Permute",
        "RepeatVector",
        "Dot",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalAveragePooling2D",
        "Masking",
        "Embedding",
    ]
)


def noise_before_masking(model: CheckedModel) -> Iterator[Problem]:
    """Find noise whose output goes into Masking."""
    if not any(map(_is_masking, model.calls())):
        return
    flow = ValueFlow(model.graph)
    for place in model.calls():
        if not _draws(place):
            continue
        behind = flow.receivers(place.graph, Tensor(place.call), _goes_on)
        for target in islice(behind, _FURTHEST):
            if class_of(unwrap_time_distributed(target.layer)[0]) == "Masking":
                yield Problem(
                    place.path,
                    f"noise in front of Masking ({target.path}): in training it makes valid "
                    "steps look like padding, or padding unrecognisable",
                )


def _is_masking(place: LayerCall) -> bool:
    return class_of(unwrap_time_distributed(place.layer)[0]) == "Masking"


def _draws(place: LayerCall) -> bool:
    """Whether a call draws noise, itself or as what TimeDistributed applies to each step."""
    inside = unwrap_time_distributed(place.layer)[0]
    return class_of(inside) in NOISE and noise_rate(replace(place, layer=inside)) > 0


def _goes_on(layer: Layer) -> bool:
    """Whether what stands behind a layer is looked at: the first Masking on a way is told."""
    inside = unwrap_time_distributed(layer)[0]
    return class_of(inside) != "Masking" and _keeps_zeros(layer)


def _keeps_zeros(layer: Layer) -> bool:
    """Whether what is 0 stays so, and padding with it, in a layer or in each step of it."""
    inside = unwrap_time_distributed(layer)[0]
    if class_of(inside) == "Rescaling":
        return not inside.config.get("offset")
    if class_of(inside) == "Activation":
        return inside.config.get("activation") in ("relu", "linear", "tanh")
    return class_of(inside) in _KEEPING_ZEROS or keeps_values(inside)


_FURTHEST = 64
"""So many calls behind noise are looked at for Masking."""

_KEEPING_ZEROS = frozenset({"ReLU", "LeakyReLU", "PReLU", "ELU", "UnitNormalization"})


def mask_lost(model: CheckedModel) -> Iterator[Problem]:
    """Find layers that drop a mask before one that could use it."""
    users = _UsersBehind()
    for flow in _once(model.flows):
        user = users.of(flow) if flow.loses else None
        if user is not None:
            yield Problem(
                flow.layer,
                f"{flow.class_name} drops the mask of {flow.mask_in}; "
                f"{user} could use it: without it, padding counts there",
            )


def no_mask(model: CheckedModel) -> Iterator[Problem]:
    """Find Embedding layers without a mask in front of layers that would use one."""
    if not model.unmasked:
        return
    used: dict[str, str] = {}
    lost: dict[str, tuple[str, str]] = {}
    broken: set[str] = set()
    users = _UsersBehind()
    for flow in model.flows_if_masked:
        for source in flow.mask_in.sources:
            if flow.fails:
                broken.add(source)
            if flow.uses and flow.class_name in MASK_USERS:
                used.setdefault(source, flow.layer)
            elif flow.loses and source not in lost:
                user = users.of(flow)
                if user is not None:
                    lost[source] = (user, flow.layer)
    for path in model.unmasked:
        if path in broken:
            continue
        if path in used:
            yield Problem(path, f"without a mask, padding counts in {used[path]}")
        elif path in lost:
            user, loser = lost[path]
            yield Problem(
                path,
                f"without a mask, padding counts in {user}; {loser} would drop one on the way",
                "carry-mask",
            )


def mask_fails(model: CheckedModel) -> Iterator[Problem]:
    """Find layers that raise because of a mask."""
    for flow in _once(model.flows):
        if flow.fails:
            yield Problem(
                flow.layer,
                f"{flow.class_name} cannot take the mask of {flow.mask_in}: Keras raises",
            )


def mask_hides_ids(model: CheckedModel) -> Iterator[Problem]:
    """Find Embedding layers that mask index 0 where that is no padding, and who skips it."""
    masked = [each for each in model.layers({"Embedding"}) if each.config.get("mask_zero")]
    real = real_zeros(model.graph) if masked else {}
    using: dict[str, str] = {}
    for flow in model.flows if real else ():
        for source in flow.mask_in.sources if flow.uses else ():
            using.setdefault(source, flow.layer)
    for place in masked:
        if place.path in real and place.path in using:
            yield Problem(
                place.path, f"index 0 is {real[place.path]}, and {using[place.path]} skips it"
            )


def _once(flows: Sequence[CallFlow]) -> Iterator[CallFlow]:
    """Yield what happens at the first call of each layer."""
    seen: set[str] = set()
    for flow in flows:
        if flow.layer not in seen and flow.call.number == 0:
            seen.add(flow.layer)
            yield flow


@dataclass(frozen=True, slots=True)
class _UsersBehind:
    """The nearest layer behind each call that could use a mask, and how many calls away it is.

    It is found for all calls of a graph in one walk from the outputs up.
    """

    known: dict[int, dict[Call, tuple[int, str]]] = field(default_factory=dict)

    def of(self, flow: CallFlow) -> str | None:
        """Return the first layer behind a call that could use the mask that was dropped there."""
        graph = flow.graph
        if _ends_steps(graph.layer(flow.call)):
            return None
        if id(graph) not in self.known:
            self.known[id(graph)] = _nearest_users(graph)
        nearest = self.known[id(graph)].get(flow.call)
        return None if nearest is None else nearest[1]


def _nearest_users(graph: ModelGraph) -> dict[Call, tuple[int, str]]:
    nearest: dict[Call, tuple[int, str]] = {}
    used: dict[Call, str] = {}
    for call in reversed(graph.calls()):
        place = layer_call(graph, call)
        for target in graph.network.successors(call):
            if target in used:
                found = (1, used[target])
            elif target in nearest and not _ends_steps(graph.layer(target)):
                distance, user = nearest[target]
                found = (distance + 1, user)
            else:
                continue
            if call not in nearest or found[0] < nearest[call][0]:
                nearest[call] = found
        user_here = _user_in(place)
        if user_here is not None:
            used[call] = user_here
    return nearest


def _user_in(place: LayerCall) -> str | None:
    """Return the layer that could use a mask: the one that is called, or one nested in it."""
    if place.layer.graph is None:
        if class_of(place.layer) not in MASK_USERS:
            return None
        # a call that is given its mask by name needs no other
        return None if place.arguments.kwargs.get("mask") is not None else place.path
    nested: ModelGraph = place.layer.graph
    for call in nested.calls(MASK_USERS):
        return nested.path_of(call)
    return None


def _ends_steps(layer: Layer) -> bool:
    if is_recurrent(layer):
        return not returns_sequences(layer)
    return class_of(layer) in _NO_STEPS or class_of(layer).startswith("Global")


CODES = (
    Code(
        "RW201",
        "noise-before-masking",
        "noise stands in front of Masking",
        "Masking compares each step with its mask value. Noise in front of it sets units to zero "
        "or moves them: with mask value 0, whole valid steps are masked; with another, padding "
        "is no longer recognised. Behind Masking the noise does the same and harms nothing.",
        """
x = keras.Input((None, 1))
y = layers.Masking(0.0)(layers.Dropout(0.5)(x))
model = keras.Model(x, layers.LSTM(2)(y))
""",
        "in training, 54 to 63 % of the valid steps were masked",
        "in training, 54 to 63 % of the valid steps were masked",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        noise_before_masking,
        fix="move-dropout:recurrent=false,batch_normalization=false",
    ),
    Code(
        "RW202",
        "mask-lost",
        "a mask is dropped before a layer that could use it",
        "Many layers do not hand masks on, and most of them say nothing. What comes behind them "
        "then counts padding as data: the same sequence with more padding gives another output.",
        """
x = keras.Input((None,))
y = layers.Embedding(10, 4, mask_zero=True)(x)
y = layers.Conv1D(4, 3, padding="same")(y)
model = keras.Model(x, layers.LSTM(2)(y))
""",
        "drops the mask silently",
        "drops the mask, with a warning from most layers and silently from operations",
        "seen with tf_keras 2.21 and Keras 3.15.1; keras/src/layers/layer.py, `supports_masking`",
        mask_lost,
        fix="carry-mask",
    ),
    Code(
        "RW203",
        "no-mask",
        "padded ids without a mask",
        "If index 0 is padding, an Embedding without mask_zero=True makes padding count like any "
        "token: four more steps of it moved outputs by 0.02 to 0.48. With the mask the "
        "difference is 0. If no sequence is padded, or 0 is a token, ignore this code.",
        """
x = keras.Input((None,))
y = layers.Embedding(10, 4)(x)
model = keras.Model(x, layers.LSTM(2)(y))
""",
        "padding counts in recurrent layers, attention and averages over time",
        "padding counts in recurrent layers, attention and averages over time",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        no_mask,
        fix="enable-masking",
    ),
    Code(
        "RW204",
        "mask-fails",
        "a mask reaches a layer that cannot take one",
        "A few layers raise when a mask comes with their input. As long as every call is "
        "symbolic the model builds; it fails when it is called on data.",
        """
x = keras.Input((3,))
y = layers.Embedding(10, 4, mask_zero=True)(x)
model = keras.Model(x, layers.Softmax()(y))
""",
        "Softmax on a sequence, GroupNormalization, and Concatenate over time with an input "
        "without a mask raise; tf_keras 2.21 refuses to build the first",
        "Softmax on a sequence raises",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        mask_fails,
    ),
    Code(
        "RW205",
        "mask-hides-ids",
        "a mask hides an id that is no padding",
        "mask_zero=True hides index 0. Behind StringLookup and IntegerLookup without a mask_token "
        "that is the unknown word, behind Hashing and Discretization a bin as the others: the "
        "model skips them. With mask_token the lookup keeps index 0 for padding.",
        """
x = keras.Input((None,), dtype="string")
y = layers.StringLookup(vocabulary=["good", "bad"])(x)
y = layers.Embedding(3, 4, mask_zero=True)(y)
model = keras.Model(x, layers.LSTM(2)(y))
""",
        "good, film, bad gives to the bit what good, bad gives",
        "good, film, bad gives to the bit what good, bad gives",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        mask_hides_ids,
    ),
)
