"""Number formats: which there are, and what a graph's tensors become for fast inference in one of them."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from convlens.core.errors import UsageError, unknown_name
from convlens.core.settings import setting
from convlens.graph.graph import Graph

Precision = Literal["fp32", "bf16"]
Asked = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[Asked, ...] = get_args(Asked)
_FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}
NATIVE = ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16")
"""What torch calls the instructions of processors for bfloat16."""


def known_precision(precision: str) -> Asked:
    """The same word where it is one; raises UsageError where it is not."""
    for known in PRECISIONS:
        if precision == known:
            return known
    raise unknown_name("precision", precision, PRECISIONS)


def computes_in_bfloat16(device: str) -> bool:
    """Whether the device has instructions for bfloat16; without them it is emulated, and slower."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in NATIVE)


def number_format(precision: str) -> torch.dtype:
    """The torch dtype of a resolved precision."""
    return _FORMATS[precision]


@contextlib.contextmanager
def missing_kernels_named(precision: str) -> Iterator[None]:
    """Turn what torch has no kernel for in this format into a UsageError that says what to do."""
    try:
        yield
    except NotImplementedError as error:
        if precision == "fp32":
            raise
        raise UsageError(
            f"{setting('precision', precision)}: an operator of the frozen layers has no kernel for it on this machine "
            f"({error}). Take {setting('precision', 'auto')} or fp32."
        ) from error


def state_in(graph: Graph, dtype: torch.dtype) -> Mapping[str, Tensor]:
    """The graph's tensors for fast inference: floating ones in `dtype`, filters of images channels last."""
    return {name: _prepared(tensor.detach(), dtype) for name, tensor in graph.state.items()}


def _prepared(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    if tensor.ndim == 4:
        return tensor.to(dtype, memory_format=torch.channels_last)
    return tensor.to(dtype)
