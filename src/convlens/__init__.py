"""convlens: train image classifiers on your own pictures by transfer learning, and see inside them.

The public names resolve lazily (PEP 562), so that `import convlens` does not import torch.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "Graph": "convlens.graph.graph",
    "adopt": "convlens.tasks.adopt",
    "backpropagate": "convlens.gradient.backpropagate",
    "capture": "convlens.graph.capture",
    "chain": "convlens.gradient.tensor",
    "check": "convlens.gradient.check",
    "check_pictures": "convlens.tasks.check",
    "collect": "convlens.tasks.collect",
    "compare": "convlens.tasks.compare",
    "cost": "convlens.graph.cost",
    "evaluate": "convlens.tasks.evaluate",
    "explain": "convlens.tasks.explain",
    "gradient_tensor": "convlens.gradient.tensor",
    "inspect": "convlens.tasks.inspect",
    "network": "convlens.tasks.network",
    "predict": "convlens.tasks.predict",
    "receptive_field": "convlens.graph.receptive_field",
    "resume": "convlens.tasks.train",
    "split": "convlens.graph.split",
    "train": "convlens.tasks.train",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'convlens' has no attribute {name!r}; public names: {', '.join(__all__)}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
