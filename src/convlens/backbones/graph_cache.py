"""Networks of the zoo are captured once: the graph's structure is kept in the cache, by everything it depends on."""

import hashlib
import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

import convlens
from convlens.core.cache_layout import GRAPHS
from convlens.core.files import cache_folder, write_atomically
from convlens.core.holds import mark_used
from convlens.graph.capture import capture, module_state
from convlens.graph.graph import Graph
from convlens.graph.serialize import from_json, to_json
from convlens.zoo import is_adopted

_log = logging.getLogger(__name__)
_SOURCES = ("graph", "layers", "zoo")


def cached_capture(name: str, classes: int) -> Callable[[nn.Module, Tensor], Graph]:
    """`graph.capture.capture` for the zoo's network of that name with that many classes, through the cache.

    The key holds torch's version, the source of graph/, layers/ and zoo/, the network's name and classes, the shape of
    the example and every submodule's mode. A damaged entry is noticed by its hash and made again.
    """

    if is_adopted(name):  # a name says nothing of what a module of somebody's own is made of
        return capture

    def captured(module: nn.Module, example: Tensor) -> Graph:
        modes = [path for path, part in module.named_modules() if part.training]
        parts = [torch.__version__, _source_digest(), name, classes, list(example.shape), modes]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        path = cache_folder() / GRAPHS / f"{key}.json"
        if (known := _read(path)) is not None:
            mark_used(path)
            return from_json(known, module_state(module))
        graph = capture(module, example, compare=False)  # tests hold the zoo's networks to their graphs
        if not any(node.kind == "constant" for node in graph.nodes):  # constants are not part of the module
            text = to_json(graph)
            write_atomically(path, f"{_digest(text)}\n{text}")
        return graph

    return captured


def _read(path: Path) -> str | None:
    """The graph's text, or None where there is none or it is damaged."""
    try:
        digest, _, text = path.read_text().partition("\n")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        digest, text = "", ""
    if digest != _digest(text):
        _log.warning("damaged entry of the graph cache, captured again: %s", path)
        return None
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _source_digest() -> str:
    """SHA-256 of the source that a captured graph follows from."""
    root = Path(convlens.__file__).parent
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((root / folder).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
