"""Where autograd would do otherwise than the operators say: functions with a backward of their own, and hooks.

torch.export runs a `torch.autograd.Function` and keeps the operators of its forward; its backward is lost, and so is a
hook on a tensor. While a module is traced, what they touch is therefore marked, for whoever differentiates the graph.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import Function, _SingleLevelFunction
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.nn.modules._functions import BackwardHookFunction
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from convlens.core.errors import UsageError
from convlens.core.settings import setting
from convlens.graph.graph import Graph
from convlens.graph.marks import mark, marked, traced, within_function

_KEY = "own_backward"
_ONE_AT_A_TIME = RLock()


@contextmanager
def own_backward_marked() -> Iterator[None]:
    """While a module is traced: mark the values of autograd.Functions, and those with a hook."""
    # Function.apply itself may be bound already, `swish = Swish.apply`; it looks this one up at each call.
    with _ONE_AT_A_TIME:
        before = vars(_SingleLevelFunction).get("apply")
        _SingleLevelFunction.apply = classmethod(_apply_and_mark)  # type: ignore[attr-defined]
        try:
            with _MarkHooks():
                yield
        finally:
            if before is None:
                del _SingleLevelFunction.apply  # type: ignore[attr-defined]
            else:
                _SingleLevelFunction.apply = before  # type: ignore[attr-defined]


def own_backward(node: fx.Node, hooked: Mapping[str, str]) -> str:
    """What has a backward of its own there, in words; "" where there is nothing.

    `hooked` maps the paths of modules with backward hooks to what to say of them.
    """
    paths = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    return marked(node, _KEY) or next((hooked[path] for path in paths if path in hooked), "")


def hooked_modules(module: nn.Module) -> dict[str, str]:
    """Path of each module with a backward hook -> words for it."""
    return {
        path: f"a backward hook of {f'module {path!r}' if path else 'the outermost module'}"
        for path, part in module.named_modules()
        if part._backward_hooks or part._backward_pre_hooks
    }


def refuse_lost_backward(graph: Graph, frozen: Collection[str]) -> None:
    """UsageError where training all but the parameters `frozen` needs a backward that the graph has lost."""
    trained: set[str] = set()
    for node in graph.nodes:
        is_trained = node.kind == "parameter" and node.state not in frozen
        if is_trained or not trained.isdisjoint(node.inputs):
            trained.add(node.name)
            if node.own_backward:
                raise UsageError(
                    f"cannot train through {node.own_backward} ({node.source or node.name}): the captured graph has "
                    f"its forward alone. Freeze all layers before it ({setting('freeze')}), or write it with torch's "
                    "operators."
                )


def _apply_and_mark(cls: type[Function], *args: Any, **kwargs: Any) -> Any:
    with within_function():
        result = super(_SingleLevelFunction, cls).apply(*args, **kwargs)  # type: ignore[misc]
    if cls is BackwardHookFunction or get_proxy_mode() is None:
        return result
    given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]

    def with_mark(value: Tensor) -> Tensor:
        # A function may answer its input, which leaves no operator in the graph. One that it changed stays itself.
        own = value if any(value is other for other in given) else torch.ops.aten.alias.default(value)
        _mark(own, f"the autograd.Function {cls.__name__}")
        return own

    return tree_map_only(Tensor, with_mark, result)


class _MarkHooks(TorchFunctionMode):
    """Marks the tensors that a hook is registered on."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is Tensor.register_hook:
            _mark(args[0], "a hook on a tensor")
        return func(*args, **(kwargs or {}))


def _mark(value: Tensor, words: str) -> None:
    if (node := traced(value)) is not None:
        mark(node, _KEY, words)
