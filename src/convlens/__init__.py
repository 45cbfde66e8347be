"""convlens: train image classifiers on your own pictures by transfer learning, and see inside them.

The public names resolve lazily (PEP 562), so that `import convlens` does not import torch.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "Graph": "convlens.graph.graph",
    "capture": "convlens.graph.capture",
    "network": "convlens.zoo",
    "predict": "convlens.tasks.predict",
    "split": "convlens.graph.split",
    "train": "convlens.tasks.train",
}

__all__ = sorted(_PUBLIC)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(
            f"module 'convlens' has no attribute {name!r}; public names: {', '.join(__all__)}"
        )
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
