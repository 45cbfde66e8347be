"""The upstream gradients ∂J/∂y on their way back through the graph."""

from collections.abc import Mapping
from typing import Any

OUTSIDE = "output"
"""Who reads a node that is an output of the graph: the caller. No node has this name."""


class Upstream:
    """∂J/∂y of each node, summed where several paths meet; with `keep` also what came along each path.

    A sum is accumulated in place only in tensors made here: what a rule answers may be shared with other nodes.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._sums: dict[str, Any] = {}
        self._made: set[str] = set()
        self._paths: dict[str, dict[str, Any]] | None = {} if keep else None

    def add(self, name: str, gradient: Any, *, reader: str) -> None:
        """One more contribution to ∂J/∂name, which came back through the node `reader`."""
        if self._paths is not None:
            paths = self._paths.setdefault(name, {})
            paths[reader] = total(paths.get(reader), gradient)
        if name in self._made:
            self._sums[name].add_(gradient)
            return
        if name in self._sums and not isinstance(gradient, tuple):
            self._made.add(name)
        self._sums[name] = total(self._sums.get(name), gradient)

    def take(self, name: str) -> Any:
        """∂J/∂name, None where nothing came back; it is forgotten here unless all is kept."""
        return self._sums.pop(name, None) if self._paths is None else self._sums.get(name)

    def contributions(self, name: str) -> Mapping[str, Any]:
        """What came back to `name` through each of its readers; only with `keep`."""
        assert self._paths is not None
        return dict(self._paths.get(name, {}))


def total(a: Any, b: Any) -> Any:
    """a + b, None counting as zero, item by item for the outputs of one operator."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, tuple):
        return tuple(total(x, y) for x, y in zip(a, b, strict=True))
    return a + b
