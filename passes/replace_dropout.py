"""Replace noise layers by noise layers of another class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from rewriter.analysis.layer_kinds import noise_in, with_inner_layers
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.noise_layers import Noise, make_noise, read_noise
from rewriter.analysis.shapes import rank_of
from rewriter.errors import PassError
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.graph.changes import Change, Note
from rewriter.layers.noise_shape import checked_rate
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True, slots=True)
class ReplaceDropout(Pass):
    """Replace every noise layer by one of another class.

    1. The new layer keeps the name, rate, seed and dtype policy of the old one, and the axes along
       which its noise is the same. A ``noise_shape`` with a fixed batch size becomes open.
    2. Every noise class can become every other, inside TimeDistributed too. GaussianNoise has no
       rate: it is replaced only where ``rate`` is given.
    3. A layer stays, with a note, where it draws noise at inference too, and where the other class
       cannot share its noise along the same axes.

    Parameters
    ----------
    to : str
        ``dynamic`` (DynamicDropout), ``standard`` (Dropout), ``spatial`` (SpatialDropout1D,
        2D or 3D), ``gaussian`` (GaussianDropout) or ``alpha`` (AlphaDropout).
    rate : float, optional
        The rate of the new layers; by default that of each old one.
    shared_axes : tuple of int, optional
        Axes along which the new noise is the same; by default those of each old layer.
    """

    to: Literal["dynamic", "standard", "spatial", "gaussian", "alpha"] = "dynamic"
    rate: float | None = None
    shared_axes: tuple[int, ...] | None = None

    name = "replace-dropout"
    guarantee = Guarantee.SAME

    def __post_init__(self) -> None:
        if self.rate is not None:
            checked_rate(self.rate, "replace-dropout")
        if self.shared_axes and self.to in ("spatial", "gaussian"):
            raise PassError(
                f"{self.to} noise takes no shared_axes",
                where="replace-dropout",
                fix="write to=dynamic, to=standard or to=alpha",
            )

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        training_true = TrainingTrue.of(model)
        for graph in list(model.walk()):
            ranks: dict[Tensor, int | None] = {}  # noise of any kind leaves them as they are
            for layer in graph.layers:
                if noise_in(layer) is not None:
                    yield from self._replace(graph, layer, training_true, ranks)

    def _replace(
        self,
        graph: ModelGraph,
        outer: Layer,
        training_true: TrainingTrue,
        ranks: dict[Tensor, int | None],
    ) -> Iterator[Change | Note]:
        role, layer = list(with_inner_layers(outer))[-1]
        path = graph.path_of(outer.name)
        # Rule 3: another class may ignore what makes it draw at inference.
        if training_true.layer_draws_at_inference(graph, outer.name):
            yield Note(path, layer.class_name, "stays: it draws noise at inference too")
            return
        wrapped = role.count(".") + 1 if role else 0
        rank = _rank(graph, outer, wrapped, ranks)
        # Rule 1: made from what the layer draws.
        made = self._made(layer, rank, graph.keras, wrapped=wrapped > 0)
        if isinstance(made, str):
            yield Note(path, layer.class_name, f"stays: {made}")
        elif made.class_name != layer.class_name or _differs(layer, made):
            new = replace(made, origin=layer.origin)
            reason = f"noise layers become {made.class_name} (to={self.to})"
            yield graph.replace(outer.name, new, reason=reason, role=role)

    def _made(self, layer: Layer, rank: int | None, keras: int, *, wrapped: bool) -> Layer | str:
        drawn = read_noise(layer)
        # Keras 2 has no place to say that a layer inside a wrapper is ours, and finds no class.
        if wrapped and self.to == "dynamic" and keras == 2:
            return (
                "Keras 2 cannot load DynamicDropout inside TimeDistributed; "
                "unwrap-time-distributed takes that away"
            )
        # Rule 2: GaussianNoise draws with a standard deviation.
        if drawn is None and self.rate is None:
            return "GaussianNoise has no rate; rate=0.1 gives it one"
        noise = drawn or Noise(self.rate or 0.0, seed=layer.config.get("seed"))
        if self.rate is not None:
            noise = replace(noise, rate=self.rate)
        if self.shared_axes is not None:
            noise = replace(noise, shared_axes=self.shared_axes)
        return make_noise(self.to, layer.name, noise, rank=rank, keras=keras, like=layer.config)


def _rank(
    graph: ModelGraph, layer: Layer, wrapped: int, ranks: dict[Tensor, int | None]
) -> int | None:
    """Return the rank of what a noise layer gets; TimeDistributed takes an axis away."""
    tensor = graph.producer(graph.calls_of(layer.name)[0])
    rank = None if tensor is None else rank_of(graph, Tensor(tensor.call, tensor.output), ranks)
    return None if rank is None else rank - wrapped


def _differs(layer: Layer, made: Layer) -> bool:
    """Whether two layers of one class draw differently, or one has a fixed batch size."""
    shape = layer.config.get("noise_shape")
    fixed = isinstance(shape, list | tuple) and len(shape) > 0 and shape[0] not in (None, 1)
    return fixed or read_noise(layer) != read_noise(made)
