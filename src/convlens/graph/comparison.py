"""Comparison of a captured graph with its module, at several batch sizes, before anyone relies on it.

torch.export takes every batch for one of at least two: a branch on the batch size is frozen as it went for two, and
neither it nor what a module keeps outside of tensors leaves a trace in the graph.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from convlens.core.errors import UsageError
from convlens.graph.graph import Graph
from convlens.graph.run import run

BATCHES = (2, 3, 1)
SEED = 0


def refuse_unless_equal(
    graph: Graph, module: nn.Module, name: str, example: tuple[Tensor, ...], *, free_batch: bool, branches: list[str]
) -> None:
    """UsageError where the graph computes something else than the module; buffers and random numbers stay as they are.

    With a free batch both run on 1, 2 and 3 rows, made of the example's values in another order (random ones where the
    example is constant); otherwise on the example. Random numbers are drawn from one seed. A batch of one that the
    module itself refuses, as batch normalization in training does, is left out. Tensors without values, on the meta
    device, cannot be compared.
    """
    if any(tensor.is_meta for tensor in (*example, *graph.state.values())):
        return
    same_batch = len({x.shape[:1] for x in example}) == 1
    for batch in BATCHES if free_batch and same_batch else (None,):
        inputs = example if batch is None else tuple(_rows(x, batch) for x in example)
        with _as_before(module, graph):
            try:
                theirs = _values(module, inputs)
            except (RuntimeError, ValueError) as error:
                if batch == 1:
                    continue
                given = " and ".join(f"{tuple(x.shape)} {x.dtype}" for x in inputs)
                raise UsageError(
                    f"cannot capture {name}: it fails by itself on {given}: {error}. Give an example of a shape and a "
                    "number format that it takes."
                ) from error
        with _as_before(module, graph):
            try:
                ours = _values(lambda *x: run(graph, *x), inputs)
            except RuntimeError as error:
                raise _refusal(name, batch, f"it fails: {error}", branches) from error
        if difference := _difference(ours, theirs):
            raise _refusal(name, batch, difference, branches)


@contextmanager
def branches_noted() -> Iterator[list[str]]:
    """While a module is traced: the lines outside torch that branch on a size, as `file:line in function`."""
    found: list[str] = []
    original = torch.SymBool.__bool__

    def noting(self: torch.SymBool) -> bool:
        frame = sys._getframe(1)
        code = frame.f_code
        line = f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
        if not frame.f_globals.get("__name__", "").startswith("torch.") and line not in found:
            found.append(line)
        answer: bool = original(self)  # type: ignore[no-untyped-call]
        return answer

    torch.SymBool.__bool__ = noting  # type: ignore[method-assign]
    try:
        yield found
    finally:
        torch.SymBool.__bool__ = original  # type: ignore[method-assign]


def _rows(x: Tensor, batch: int) -> Tensor:
    """So many rows of the example's kind, all different where the example is not constant."""
    generator = torch.Generator().manual_seed(SEED)
    if x.is_floating_point() and (not x.numel() or bool((x == x.flatten()[0]).all())):
        drawn = torch.randn((batch, *x.shape[1:]), generator=generator).to(x.device, x.dtype)
    else:
        rows = [x[row % len(x)].flatten() for row in range(batch)]
        orders = [torch.randperm(len(row), generator=generator).to(x.device) for row in rows]
        drawn = torch.stack([row[order] for row, order in zip(rows, orders, strict=True)]).reshape(batch, *x.shape[1:])
    is_channels_last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return drawn.contiguous(memory_format=torch.channels_last) if is_channels_last else drawn


@contextmanager
def _as_before(module: nn.Module, graph: Graph) -> Iterator[None]:
    """Buffers, and other tensors that the graph may change, keep their values and stay the same tensors."""
    buffers = [(part, dict(part._buffers)) for part in module.modules()]
    changing = [graph.state[node.state] for node in graph.nodes if node.kind in ("buffer", "constant")]
    tensors = [*changing, *(value for _, own in buffers for value in own.values() if value is not None)]
    values = [tensor.detach().clone() for tensor in tensors]
    try:
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            yield
    finally:
        for part, own in buffers:
            part._buffers.update(own)
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)


def _values(function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> list[Tensor]:
    leaves = tree_leaves(function(*(x.clone() for x in inputs)))
    return [leaf.detach() for leaf in leaves if isinstance(leaf, Tensor)]


def _difference(ours: list[Tensor], theirs: list[Tensor]) -> str:
    """How they differ, in words; "" where they are equal up to half of the number format's digits."""
    if len(ours) != len(theirs):
        return f"it has {len(ours)} outputs and the module {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{tuple(a.shape)} {a.dtype} instead of {tuple(b.shape)} {b.dtype}"
        if not _equal(a, b):
            return (
                f"values differ by up to {float((a.double() - b.double()).abs().nan_to_num(nan=torch.inf).max()):.1e}"
            )
    return ""


def _equal(a: Tensor, b: Tensor) -> bool:
    if not (b.is_floating_point() or b.is_complex()):
        return torch.equal(a, b)
    tolerance = torch.finfo(b.dtype).eps ** 0.5
    finite = b.abs()[b.abs().isfinite()]
    scale = float(finite.max()) if finite.numel() else 0.0
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def _refusal(name: str, batch: int | None, difference: str, branches: list[str]) -> UsageError:
    sized = f" for a batch of {batch}" if batch else ""
    where = f" It branches on a size at {', '.join(branches)}." if branches else ""
    return UsageError(
        f"cannot capture {name}: the captured graph computes something else than the module{sized} ({difference})."
        f"{where} A graph is what the forward pass did once, for a batch of two: branches on the batch size, values "
        "kept between calls and numbers drawn outside of torch are frozen in it. Let the forward pass do the same for "
        "every batch."
    )
