"""Make Embedding layers and float inputs give a mask, so that layers skip padded steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from rewriter.analysis.masks import CallFlow, flows_of, mask_flow
from rewriter.analysis.masks.joined_inputs import not_padded
from rewriter.analysis.masks.padding_evidence import empty_rows, no_padding, right_padded
from rewriter.analysis.masks.side_effects import IGNORED, slow_kernels, training_notes, unseen_notes
from rewriter.analysis.masks.sources import Source, sources
from rewriter.analysis.masks.table import Rule
from rewriter.analysis.masks.ways_around import way_around
from rewriter.graph import Call, Layer, ModelGraph, Tensor
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass
from rewriter.pipeline.context import Context


@dataclass(frozen=True, slots=True)
class EnableMasking(Pass):
    """Make every Embedding and float input give a mask, where a layer would use it.

    1. An Embedding without a mask gets ``mask_zero=True``, and a float sequence gets a Masking
       layer behind its input, if the mask reaches a layer that uses it.
    2. It stays, with a note, where every layer drops the mask before one that uses it, where the
       mask makes a layer fail, where it first reaches a layer that this program does not know, and
       where id 0 is not padding: behind a lookup without a mask token, behind bins, where the data
       given shows the padding value between two steps of a sequence, and where it is not known
       what makes the ids. Where the masks of several inputs are joined, inputs that do not pad
       stay: the data shows that, or a vocabulary of two, or one id for each step; where nothing
       shows which of them pads, all stay.
    3. In Keras 3, an LSTM or GRU that gets a mask by this gets ``use_cudnn=False`` too: on a GPU
       its cuDNN kernel fails on padding in front of a sequence.
    4. A note says where the mask changes later training.

    Parameters
    ----------
    mask_value : float
        What padding is in float inputs: a step that has this value throughout is padding. In
        ids it is always 0.
    input : tuple of str
        Names of the inputs to mask, which pad then; by default all.
    cudnn : "off" or "keep"
        Whether cuDNN kernels stay. They can if all padding is behind the sequences and each
        sequence has one step at least.
    empty : "allow" or "off"
        Whether a mask may reach an average over the steps, which gives NaN for a sequence of
        padding alone. It may not where the data given has such sequences.
    """

    mask_value: float = 0.0
    input: tuple[str, ...] = ()
    cudnn: Literal["off", "keep"] = "off"
    empty: Literal["allow", "off"] = "allow"

    name = "enable-masking"
    guarantee = Guarantee.SAME_WHERE_UNPADDED

    def run_with(self, model: ModelGraph, context: Context) -> Iterator[Change | Note]:
        """Edit a model with what is nested in it, in one go: masks flow across the borders."""
        before = mask_flow(model, declared=context.declared_masks)
        candidates = {source.path: source for source in sources(model, self.input)}
        refused = no_padding(model, candidates, self.mask_value, context.data)
        flows, refused = decide(
            model,
            list(candidates),
            refused,
            declared=context.declared_masks,
            joined=partial(
                not_padded,
                model,
                candidates={} if self.input else candidates,
                mask_value=self.mask_value,
                data=context.data,
            ),
            empty=empty_rows(context.data, candidates, self.mask_value, refuse=self.empty == "off"),
        )
        for path, source in candidates.items():
            layer = source.graph.layer(source.call)
            # Rule 2; a float input says nothing where no layer behind it could use a mask.
            if path in refused:
                if refused[path] != NOT_USED or layer.class_name != "InputLayer":
                    yield Note(path, layer.class_name, f"stays unmasked: {refused[path]}")
            else:
                # Rule 1
                yield self.switch_on(source, users(list(flows_of(flows, path))))
        on = [source for path, source in candidates.items() if path not in refused]
        if on:
            after = mask_flow(model, declared=context.declared_masks)
            padded = right_padded(context.data, on, self.mask_value)
            yield from slow_kernels(model, before, after, self.cudnn, padded)  # Rule 3
            # Rule 4
            yield from training_notes(model, before, after)
            yield from unseen_notes(before, after)

    def switch_on(self, source: Source, used_by: str) -> Change:
        """Make a source give its mask."""
        graph, call = source.graph, source.call
        reason = f"with a mask, padded steps no longer count in {used_by}"
        if graph.layer(call).class_name != "InputLayer":
            return graph.configure(call.layer, {"mask_zero": True}, reason=reason)
        layer = Layer(
            graph.unique_name(f"{call.layer}_masking"), "Masking", {"mask_value": self.mask_value}
        )
        return graph.insert_after(Tensor(call), layer, reason=reason)


NOT_USED = "no layer uses the mask"


def decide(
    model: ModelGraph,
    paths: Sequence[str],
    refused: Mapping[str, str],
    carried: Callable[[ModelGraph, Call], bool] | None = None,
    declared: Mapping[str, str] | None = None,
    joined: Callable[[Sequence[CallFlow]], dict[str, str]] | None = None,
    empty: Mapping[str, str] | None = None,
) -> tuple[list[CallFlow], dict[str, str]]:
    """Return the flow with the sources switched on, and those that stay off, with why.

    Sources are looked at together, for a merge may pass masks on only if all its inputs
    have one; when one is refused, the others are looked at again without it. `joined` refuses
    those that must not be joined with others. `empty` has for each source why its mask must
    reach no average, if so.
    """
    refused = dict(refused)
    while True:
        wanted = [path for path in paths if path not in refused]
        flows = mask_flow(model, wanted, carried, declared)
        reasons = {
            path: _refusal(reached, (empty or {}).get(path))
            for path in wanted
            for reached in [list(flows_of(flows, path))]
        }
        if not any(reasons.values()):
            reasons = dict(joined(flows)) if joined is not None else {}
        if not any(reasons.values()):
            return flows, refused
        refused |= {path: reason for path, reason in reasons.items() if reason}


def users(reached: Sequence[CallFlow]) -> str:
    """Return the layers that use a mask, given the calls that it reaches."""
    return ", ".join(
        dict.fromkeys(flow.layer for flow in reached if flow.uses and flow.mask_in.known)
    )


def _refusal(reached: Sequence[CallFlow], empty: str | None) -> str | None:
    """Return why a source stays off, given the calls that its mask would reach."""
    for flow in reached:
        if empty and flow.uses and flow.rule is Rule.USE:
            return f"{flow.layer} ({flow.class_name}) gives NaN for padding alone: {empty}"
        if flow.fails:
            return f"{flow.layer} ({flow.class_name}) {flow.fails}"
    if users(reached):
        return None
    for flow in reached:
        if not all(mask.known for mask in flow.masks_out):
            return f"what {flow.layer} ({flow.class_name}) does with the mask is not known"
        if flow.ignores:
            return f"{flow.layer} ({flow.class_name}) {IGNORED}"
    for flow in reached:
        if flow.loses:
            around = way_around(flow.graph.layer(flow.call)) is not None
            return (
                f"{flow.layer} ({flow.class_name}) drops the mask before any layer that could use "
                f"it{f'; the pass carry-mask carries it around {flow.layer}' if around else ''}"
            )
    return NOT_USED
