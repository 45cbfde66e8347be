"""A network's structure alone: every name, shape and type, and no values."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_RANDOM = (Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_)
"""The last three are the functions of `nn.init` that torch hands over whole, tensor by keyword."""


def structure(build: Callable[[int], nn.Module], classes: int) -> nn.Module:
    """The network that `build(classes)` makes, on the meta device: no memory, no random number is used."""
    with torch.device("meta"), _NoInitialization():
        return build(classes).to("meta")  # a copy of a module that has values already keeps them until here


class _NoInitialization(TorchFunctionMode):
    """Leaves random filling out: there is nothing to fill, and normal_ on meta takes 2 s to import sympy."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _RANDOM:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))
