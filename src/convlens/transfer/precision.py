"""Which number format the frozen prefix runs in."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from convlens.core.errors import unknown_name
from convlens.graph.graph import Graph

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS = ("auto", "fp32", "bf16")
_FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def resolve_precision(precision: str, device: str = "cpu") -> str:
    """ "fp32" or "bf16"; "auto" takes bfloat16 where the device computes in it, which is faster, else float32."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    return "bf16" if native else "fp32"


def number_format(precision: str) -> torch.dtype:
    """The torch dtype of a resolved precision."""
    return _FORMATS[precision]


def state_in(graph: Graph, dtype: torch.dtype) -> Mapping[str, Tensor]:
    """The graph's tensors for fast inference: floating ones in `dtype`, filters of images channels last."""
    return {name: _prepared(tensor.detach(), dtype) for name, tensor in graph.state.items()}


def _prepared(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    if tensor.ndim == 4:
        return tensor.to(dtype, memory_format=torch.channels_last)
    return tensor.to(dtype)
