"""A pass of one's own, in full.

python examples/own_pass.py
"""

from dataclasses import dataclass

import rewriter


@dataclass(frozen=True)
class CapDropout(rewriter.Pass):
    """Lower the rate of every Dropout that is above a limit."""

    limit: float = 0.3

    name = "cap-dropout"
    guarantee = rewriter.Guarantee.SAME

    def run(self, graph):
        for call in graph.calls({"Dropout"}):
            if graph.layer(call).config["rate"] > self.limit:
                yield graph.configure(call.layer, {"rate": self.limit}, reason="above the limit")


def main():
    import keras

    layers = keras.layers
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dropout(0.6, name="drop")])
    result = rewriter.rewrite(model, [CapDropout(limit=0.25)])
    print(result.plan)
    print(result.verification)
    print(f"drop: rate {result.model.get_layer('drop').rate}")


if __name__ == "__main__":
    main()
