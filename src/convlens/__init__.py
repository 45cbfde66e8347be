"""convlens: train image classifiers on your own images by transfer learning, and see inside them.

The public names resolve lazily (PEP 562), so that `import convlens` does not import torch. Editors and type checkers
do not run that; for them the names are imported.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convlens.backbones.external import adopt as adopt
    from convlens.backbones.resolve import network as network
    from convlens.gradient.backpropagate import backpropagate as backpropagate
    from convlens.gradient.check import check as check
    from convlens.gradient.tensor import chain as chain
    from convlens.gradient.tensor import gradient_tensor as gradient_tensor
    from convlens.graph.capture import capture as capture
    from convlens.graph.cost import cost as cost
    from convlens.graph.graph import Graph as Graph
    from convlens.graph.receptive_field import receptive_field as receptive_field
    from convlens.graph.split import split as split
    from convlens.tasks.check import check_images as check_images
    from convlens.tasks.collect import collect as collect
    from convlens.tasks.compare import compare as compare
    from convlens.tasks.evaluate import evaluate as evaluate
    from convlens.tasks.explain import explain as explain
    from convlens.tasks.inspect import inspect as inspect
    from convlens.tasks.predict import predict as predict
    from convlens.tasks.train import resume as resume
    from convlens.tasks.train import train as train

__version__ = "0.1.0"

_PUBLIC = {
    "Graph": "convlens.graph.graph",
    "adopt": "convlens.backbones.external",
    "backpropagate": "convlens.gradient.backpropagate",
    "capture": "convlens.graph.capture",
    "chain": "convlens.gradient.tensor",
    "check": "convlens.gradient.check",
    "check_images": "convlens.tasks.check",
    "collect": "convlens.tasks.collect",
    "compare": "convlens.tasks.compare",
    "cost": "convlens.graph.cost",
    "evaluate": "convlens.tasks.evaluate",
    "explain": "convlens.tasks.explain",
    "gradient_tensor": "convlens.gradient.tensor",
    "inspect": "convlens.tasks.inspect",
    "network": "convlens.backbones.resolve",
    "predict": "convlens.tasks.predict",
    "receptive_field": "convlens.graph.receptive_field",
    "resume": "convlens.tasks.train",
    "split": "convlens.graph.split",
    "train": "convlens.tasks.train",
}

__all__ = sorted(_PUBLIC)


if not TYPE_CHECKING:  # there any name would be known otherwise, and of any type

    def __getattr__(name: str) -> object:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'convlens' has no attribute {name!r}; public names: {', '.join(__all__)}")
        return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
