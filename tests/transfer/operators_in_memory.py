"""Run by test_kernels.py as a process of its own: which operators a channels-last input confuses, or crashes.

Each case is a layer that could stand first behind a cut. Its outputs and gradients for a channels-last input in
float32, with and without a gradient of the input's own, are held to those of a contiguous one in float64.
"""

import copy
import itertools
import sys
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.transfer.kernels import contiguous_unless_differentiated

CHANNELS, SIDE = 8, 12
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


class Call(nn.Module):
    """A function of one tensor as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Safe(nn.Module):
    """A layer that gets its input as `transfer.kernels` gives it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(contiguous_unless_differentiated(x))


def normalizations() -> Iterator[nn.Module]:
    for groups in (1, 2, CHANNELS):
        yield Safe(nn.GroupNorm(groups, CHANNELS))
    yield from (nn.BatchNorm2d(CHANNELS), nn.BatchNorm2d(CHANNELS).eval(), nn.BatchNorm2d(CHANNELS, affine=False))
    yield from (nn.InstanceNorm2d(CHANNELS), nn.InstanceNorm2d(CHANNELS, affine=True, track_running_stats=True))
    for shape in ([SIDE], [SIDE, SIDE], [CHANNELS, SIDE, SIDE]):
        yield from (nn.LayerNorm(shape), nn.RMSNorm(shape))
    yield Call(lambda x: F.layer_norm(x.permute(0, 2, 3, 1), [CHANNELS]).permute(0, 3, 1, 2))
    yield from (nn.LocalResponseNorm(3), nn.LocalResponseNorm(5), Call(F.normalize))


def poolings() -> Iterator[nn.Module]:
    for kernel, stride in itertools.product((2, 3), (1, 2, 3)):
        yield from (nn.MaxPool2d(kernel, stride), nn.AvgPool2d(kernel, stride), nn.LPPool2d(2, kernel, stride))
    yield from (nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.MaxPool2d(3, 1, 0, 2))
    yield nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
    yield Call(lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2))
    for size in (1, 2, 5, (3, 7), SIDE, 20):
        yield from (nn.AdaptiveAvgPool2d(size), nn.AdaptiveMaxPool2d(size))
    samples = torch.rand(6, CHANNELS, 2, dtype=torch.float64)
    for kernel in (2, 3):
        yield Call(lambda x, k=kernel: F.fractional_max_pool2d(x, k, (5, 6), _random_samples=samples.to(x)))


def resamplings() -> Iterator[nn.Module]:
    for mode, scale in itertools.product(("nearest", "nearest-exact", "bilinear", "bicubic", "area"), (2, 1.5, 0.5)):
        yield nn.Upsample(scale_factor=scale, mode=mode)
    for mode, size in itertools.product(("bilinear", "bicubic"), ((17, 9), (5, 7))):
        yield Call(lambda x, m=mode, s=size: F.interpolate(x, s, mode=m, align_corners=True))
        yield Call(lambda x, m=mode, s=size: F.interpolate(x, s, mode=m, antialias=True))
    grid = torch.rand(6, 9, 9, 2, dtype=torch.float64) * 2.4 - 1.2
    for mode, padding in itertools.product(("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")):
        yield Call(lambda x, m=mode, p=padding: F.grid_sample(x, grid.to(x), m, p, align_corners=False))
    yield from (nn.PixelShuffle(2), nn.PixelUnshuffle(2), nn.ChannelShuffle(4))
    yield from (nn.ReflectionPad2d(2), nn.ReplicationPad2d(2), nn.CircularPad2d(2), nn.ConstantPad2d(1, 3.0))
    yield Call(lambda x: F.unfold(x, 3))
    yield Call(lambda x: F.fold(F.unfold(x, 3), (SIDE, SIDE), 3))


def linear_layers() -> Iterator[nn.Module]:
    for kernel, stride, groups, mode in itertools.product(
        (1, 3), (1, 2), (1, 2, CHANNELS), ("zeros", "reflect", "circular")
    ):
        yield nn.Conv2d(CHANNELS, 16, kernel, stride, kernel // 2, groups=groups, padding_mode=mode)
    yield nn.Conv2d(CHANNELS, CHANNELS, 3, dilation=2, bias=False)
    for groups in (1, 2, CHANNELS):
        yield nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, 2, 1, 1, groups=groups)
    yield from (nn.Linear(SIDE, 5), nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * SIDE**2, 5)))
    yield from (Call(lambda x: x @ x.mT), Call(lambda x: torch.einsum("nchw,nchv->nwv", x, x)))
    yield Call(lambda x: F.scaled_dot_product_attention(x, x, x))


def activations() -> Iterator[nn.Module]:
    yield from (nn.PReLU(), nn.PReLU(CHANNELS), nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(), nn.ELU(), nn.SELU(), nn.CELU())
    yield from (nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh())
    yield from (nn.Softplus(), nn.Softsign(), nn.Softshrink(), nn.Hardshrink(), nn.Tanhshrink(), nn.Sigmoid())
    yield from (nn.LogSigmoid(), nn.Tanh(), nn.Threshold(0.1, 0.2), nn.GLU(1), nn.GLU(3), nn.RReLU().eval())
    yield from (nn.Softmax(1), nn.Softmax(3), nn.LogSoftmax(1), nn.Softmin(2), nn.Dropout2d(0.0))
    for name in ("mean", "sum", "amax", "amin", "std", "var", "logsumexp"):
        yield Call(lambda x, n=name: getattr(x, n)((2, 3), keepdim=True))
    for name in ("sort", "median", "cummax", "cumsum", "cumprod", "prod", "unbind"):
        yield Call(lambda x, n=name: first(getattr(x, n)(1)))
    yield Call(lambda x: x.flip(2, 3).roll((1, 2), (2, 3)))


def volumes() -> Iterator[nn.Module]:
    yield from (Safe(nn.GroupNorm(2, CHANNELS)), nn.BatchNorm3d(CHANNELS), nn.InstanceNorm3d(CHANNELS, affine=True))
    yield from (nn.MaxPool3d(3, 2), nn.AvgPool3d(3, 2), nn.AdaptiveAvgPool3d(2), nn.AdaptiveMaxPool3d(2))
    yield from (nn.Upsample(scale_factor=2, mode=mode) for mode in ("nearest", "trilinear", "area"))
    yield from (nn.Conv3d(CHANNELS, 4, 3), nn.Conv3d(CHANNELS, CHANNELS, 3, groups=CHANNELS))
    yield nn.ConvTranspose3d(CHANNELS, 4, 3, 2)


def first(value: Tensor | tuple[Tensor, ...]) -> Tensor:
    return value if isinstance(value, Tensor) else value[0]


def passed(layer: nn.Module, x: Tensor, *, differentiated: bool) -> list[Tensor]:
    """Output, gradients and buffers after one pass there and back."""
    layer, x = copy.deepcopy(layer).to(x.dtype), x.detach().requires_grad_(differentiated)
    output = layer(x)
    if output.requires_grad:
        upstream = torch.randn(output.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        (output * upstream.to(output)).sum().backward()
    gradients = [one.grad for one in (*layer.parameters(), x) if one.grad is not None]
    return [output.detach(), *gradients, *layer.buffers()]


def try_all() -> None:
    """Print each case before it runs, so that the last line tells which one ended the process; end by the number."""
    torch.manual_seed(0)
    flat = (normalizations, poolings, resamplings, linear_layers, activations)
    cases = [(layer, (6, CHANNELS, SIDE, SIDE)) for family in flat for layer in family()]
    cases += [(layer, (6, CHANNELS, 7, 8, 9)) for layer in volumes()]
    for (layer, shape), differentiated in itertools.product(cases, (False, True)):
        print(layer, "with" if differentiated else "without", "a gradient of the input", flush=True)
        x = torch.randn(shape, dtype=torch.float64)
        expected = passed(layer, x, differentiated=differentiated)
        layer = layer.to(memory_format=CHANNELS_LAST[x.ndim]) if x.ndim == 4 else layer
        found = passed(layer, x.float().contiguous(memory_format=CHANNELS_LAST[x.ndim]), differentiated=differentiated)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours.to(theirs.dtype), theirs, rtol=1e-3, atol=1e-4)
    print(2 * len(cases))


def train_behind_the_cut(kind: str) -> None:
    """A step of a network whose group normalization reads what has no gradient, channels last."""
    from convlens.graph.run import run
    from convlens.transfer.networks import cut_network

    between = {"at once": [], "after a ReLU": [nn.ReLU()], "on the images": []}[kind]
    norm = nn.GroupNorm(3, 3) if kind == "on the images" else nn.GroupNorm(2, CHANNELS)
    body = [norm, nn.Conv2d(3, CHANNELS, 3)] if kind == "on the images" else [nn.Conv2d(3, CHANNELS, 3), *between, norm]
    module = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 2))
    module.to(memory_format=torch.channels_last)
    head = str(len(module) - 1)
    x = torch.rand(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    cut = cut_network(module, "none" if kind == "on the images" else "0", head, x)
    with torch.no_grad():
        crossing = tuple(one.contiguous(memory_format=torch.channels_last) for one in run(cut.prefix, x))
    (logits,) = run(cut.training.suffix, *crossing)
    logits.square().sum().backward()
    ours = [norm.weight.grad.clone(), norm.bias.grad.clone()]
    module.zero_grad()
    module.to(memory_format=torch.contiguous_format)(x.contiguous()).square().sum().backward()
    torch.testing.assert_close(ours, [norm.weight.grad, norm.bias.grad])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train_behind_the_cut(sys.argv[1])
    else:
        try_all()
