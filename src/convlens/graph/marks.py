"""Marks: what was true of a value while a module was traced, kept with the operator that made it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import get_proxy_mode, get_proxy_slot

_NOW = threading.local()


def traced(value: Tensor) -> fx.Node | None:
    """The node that made a value, where this thread is tracing and the value is part of that."""
    mode = get_proxy_mode()
    slot = None if mode is None else get_proxy_slot(value, mode.tracer, None)
    return None if slot is None else slot.proxy.node


def mark(node: fx.Node, key: str, words: str) -> None:
    """Mark a node; its copies in the program that torch.export makes have the mark, too."""
    node.meta["custom"] = {**(node.meta.get("custom") or {}), key: words}


def marked(node: fx.Node, key: str) -> str:
    """The words of a mark; "" where there is none."""
    words: str = (node.meta.get("custom") or {}).get(key, "")
    return words


@contextmanager
def within_function() -> Iterator[None]:
    """While this thread runs the forward pass of a `torch.autograd.Function`, which torch runs without gradients."""
    before = in_function()
    _NOW.in_function = True
    try:
        yield
    finally:
        _NOW.in_function = before


def in_function() -> bool:
    """Whether this thread is `within_function`."""
    return getattr(_NOW, "in_function", False)
