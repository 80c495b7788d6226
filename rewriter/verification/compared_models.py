"""Hold two models that are compared, with what their inputs take and what was promised."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewriter.graph.calls import Tensor
from rewriter.graph.nested import leaves
from rewriter.live.adapters import LiveKeras
from rewriter.pipeline.passes import Guarantee
from rewriter.verification.arrays import Arrays
from rewriter.verification.differences import Spread
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.specs import InputSpec
from rewriter.verification.inputs.tries import Sizes, fixed_batch
from rewriter.verification.running import Subject

_TOLERANCES = 16
"""An output says something where it varies by so many times the tolerance."""

_FEW = 2


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised of two models, and what may be used to measure it.

    Parameters
    ----------
    guarantee : Guarantee
        What was promised.
    tolerance : float
        How far values may differ, as a share of the greatest magnitude.
    data : mapping of str to array, or None
        Inputs of the user's.
    custom_objects : mapping
        What is needed to make copies.
    changed : collection of str, or None
        Paths of the layers that a plan changes.
    copies : bool
        Whether copies may be made.
    drops_states : bool
        Whether states are taken from layers on purpose.
    """

    guarantee: Guarantee
    tolerance: float
    data: Any
    custom_objects: Mapping[str, Any]
    changed: Collection[str] | None
    copies: bool
    drops_states: bool


@dataclass(frozen=True, slots=True)
class Models:
    """Two models that are compared.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of both.
    before, after : Subject
        The original and the rewritten model.
    specs : sequence of InputSpec
        What the inputs take.
    sizes : Sizes
        The batch sizes and lengths that the original takes.
    promise : Promise
        What was promised.
    """

    keras: LiveKeras
    before: Subject
    after: Subject
    specs: Sequence[InputSpec]
    sizes: Sizes
    promise: Promise

    @property
    def tolerance(self) -> float:
        """How far values may differ, as a share of the greatest magnitude."""
        return self.promise.tolerance

    @property
    def ends(self) -> list[tuple[Tensor, Tensor]]:
        """The outputs of both."""
        both = (leaves(subject.graph.outputs) for subject in (self.before, self.after))
        return list(zip(*both, strict=True))

    @property
    def names(self) -> list[str]:
        """Path of the layer that gives each output."""
        return [self.before.graph.path_of(one.call) for one, _ in self.ends]

    def spread(self) -> Spread:
        """Return what collects the values of a tensor."""
        few = all(
            (spec.dtype == "bool" or (spec.ids or 9) <= _FEW) and not spec.free
            for spec in self.specs
        )
        return Spread(_TOLERANCES * self.tolerance, two_values=few)

    def inputs(self, rows: int = 3) -> list[Arrays]:
        """Return inputs for what is compared beside the outputs; none has padding that counts."""
        batch = fixed_batch(self.specs) or (
            rows if len(set(self.sizes.batches)) > 1 else max(self.sizes.batches)
        )
        length = self.sizes.lengths[0] or 1
        unpadded = self.promise.guarantee is Guarantee.SAME_WHERE_UNPADDED
        made = [
            make_inputs(self.specs, batch, length, seed, zeros=zeros)
            for seed, zeros in ((31, False), (32, False), (33, not unpadded))
        ]
        wide = make_inputs(
            self.specs, batch, length, 34, zeros=False, numbers="from 0 to 255", ids="spread"
        )
        return [*made, wide]
