"""Untraceable modules: what stands in the way of a graph, in words, before torch.export fails or after."""

import importlib
from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convlens.core.errors import UsageError

_MOST_NAMED = 3
_ADVICE = (
    "A graph needs a forward pass whose operators do not depend on the values of tensors or on one batch size; "
    "rewrite that line with tensor operators (torch.where instead of if), or pass the part of the module around it."
)


def refuse_untraceable(module: nn.Module, name: str) -> None:
    """UsageError for a module that has no forward pass in Python, or parameters without a shape."""
    if isinstance(module, torch.jit.ScriptModule):
        raise UsageError(
            f"cannot capture {name}: it is TorchScript, whose Python code is gone. Give the module that it was made "
            "of, with the weights of the script: module.load_state_dict(script.state_dict())."
        )
    if lazy := [path for path, parameter in module.named_parameters() if is_lazy(parameter)]:
        named = ", ".join(lazy[:_MOST_NAMED]) + (" and others" if len(lazy) > _MOST_NAMED else "")
        raise UsageError(
            f"cannot capture {name}: {named} have no shape before the first forward pass. Call the module once with "
            "an example."
        )


def untraceable(name: str, error: Exception, place: str) -> UsageError:
    """What torch.export could not do, `place` being the person's line, in words for a person."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    reason = next((words(first) for kind, words in _reasons().items() if isinstance(error, kind)), first)
    end = "" if reason.endswith((".", "!")) else "."
    return UsageError(
        f"cannot capture {name}: {reason}{end} This happened at {place or 'its forward method'}. {_ADVICE}"
    )


def _reasons() -> Mapping[type[Exception], Callable[[str], str]]:
    """Of errors of torch.export that name its own inner workings: what is meant, from the first line of the error."""
    # Imported when needed: torch's compiler, and sympy with it, take as long as torch, and a prediction needs neither.
    compiler = importlib.import_module("torch._dynamo.exc")
    shapes = importlib.import_module("torch.fx.experimental.symbolic_shapes")
    tensors = importlib.import_module("torch._subclasses.fake_tensor")
    return {
        shapes.GuardOnDataDependentSymNode: lambda _: "a branch or a size depends on the values of a tensor.",
        tensors.UnsupportedOperatorException: lambda name: f"torch has no rule for the shape of what {name} computes.",
        compiler.UserError: lambda text: (
            "it runs for one batch size only." if text.startswith("Constraints violated") else text
        ),
    }
